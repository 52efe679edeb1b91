//! The engine against real servers. One binary, so that one process shares what is expensive.

mod expression;
mod introspect;
mod session;
