//! The parts of a load, each against real servers and each by itself.

mod reading;
mod rows;
mod identities;
mod resume;
mod meanwhile;
mod lost;
mod rounds;
mod standby;
mod others;
mod chained;
mod checked;
mod parents;
mod partitions;
mod triggers;
mod taken_back;
mod random;
mod lookup;
mod keyless;
mod merged;
mod matched;
mod lease;
mod recorded;
mod repeated;
mod versions;
mod withheld;
mod raw_text;
