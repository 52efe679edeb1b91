//! The program as operators use it. One binary, so that one process shares what is expensive.

mod desk;
mod usage;
mod words;
mod guide;
mod guide_supabase;
mod mapping;
mod coverage;
mod migration;
mod records;
mod exports;
mod signals;
mod silent;
mod killed;
mod demo;
mod messages;
