//! The engine against real servers. One binary, so that one process shares what is expensive.

mod aside;
mod expression;
mod introspect;
mod plan;
mod session;
