//! The engine against real servers. One binary, so that one process shares what is expensive.

mod session;
mod introspect;
mod around;
mod rights;
mod query;
mod expression;
mod pair;
mod load;
mod odd;
mod fit;
mod keys;
mod reading;
mod verify;
mod plan;
mod statements;
mod proof;
mod aside;
mod transform;
mod gate;
mod expected;
mod chinook;
mod northwind;
mod pagila;
mod lab;
mod parts;
mod retry;
