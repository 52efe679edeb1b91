use std::time::Instant;

use super::ground::{DATABASE, Ground};
use super::migrate::{self, Setting};
use super::scene::Scene;
use super::{clone, floor, pipe};
use crate::bench::meter::{Cost, server_cpu};

/// What is compared.
#[derive(Clone, Copy)]
pub(super) enum Contender<'a> {
    /// The least that has to be done: files with finished rows and identities into bare tables, then everything built.
    Floor,
    /// `driftless migrate`.
    Driftless(&'a Setting<'a>),
    /// What one would type: COPY out, COPY in, of rows that are in shape already.
    Pipe,
    /// `pgcopydb clone` of a database that is in shape already.
    Clone,
}

impl Contender<'_> {
    pub(super) fn name(self) -> &'static str {
        match self {
            Contender::Floor => "floor",
            Contender::Driftless(_) => "driftless",
            Contender::Pipe => "pipe",
            Contender::Clone => "pgcopydb",
        }
    }
}

/// One measured run.
#[derive(Clone)]
pub(super) struct Run {
    pub(super) seconds: f64,
    /// Seconds of CPU time of the source's server, of the target's, and of the programs between them.
    pub(super) cpu: [f64; 3],
    /// The most memory of the programs between the servers, in MB; 0 where it was not looked at.
    pub(super) peak_mb: f64,
    /// Steps of driftless, with the seconds of each.
    pub(super) steps: Vec<(String, f64)>,
}

/// What the programs between the servers cost together.
#[derive(Default)]
pub(super) struct Between {
    cpu: f64,
    pub(super) peak_mb: f64,
}

impl Between {
    pub(super) fn add(&mut self, cost: &Cost) {
        self.cpu += cost.cpu;
        self.peak_mb = self.peak_mb.max(cost.peak_mb);
    }
}

/// Runs a contender into a fresh database, and makes sure that all rows, constraints and indexes are there.
pub(super) fn run(ground: &Ground, scene: &Scene, contender: Contender<'_>) -> Result<Run, String> {
    match contender {
        Contender::Floor => floor::bare(ground)?,
        Contender::Driftless(_) | Contender::Pipe => scene.fresh_target(ground)?,
        Contender::Clone => ground.fresh_target()?,
    }
    let servers = || [&ground.source, &ground.target].map(|server| server.pid().map_or(0.0, server_cpu));
    let (before, started) = (servers(), Instant::now());
    let mut between = Between::default();
    match contender {
        // The floor's session only hands over statements.
        Contender::Floor => floor::load(ground)?,
        Contender::Driftless(setting) => between.add(&migrate::load(ground, scene, setting)?),
        Contender::Pipe => {
            between = pipe::carry(ground, &scene.source_admin(ground), &ground.target.url(DATABASE))?;
        }
        Contender::Clone => between = clone::clone(ground)?,
    }
    let seconds = started.elapsed().as_secs_f64();
    let after = servers();
    scene.verify(ground, contender.name())?;
    Ok(Run {
        seconds,
        cpu: [after[0] - before[0], after[1] - before[1], between.cpu],
        peak_mb: between.peak_mb,
        steps: match contender {
            Contender::Driftless(_) => migrate::steps(ground)?,
            Contender::Floor | Contender::Pipe | Contender::Clone => Vec::new(),
        },
    })
}

#[cfg(test)]
impl Run {
    /// A run of which nothing but its time is known.
    pub(super) fn took(seconds: f64) -> Run {
        Run {
            seconds,
            cpu: [0.0; 3],
            peak_mb: 0.0,
            steps: Vec::new(),
        }
    }
}
