//! Access over a real house.

mod keys;
