//! A step of SGD on every tensor. The shader's twin: `shaders/update.wgsl`, one dispatch for all of it; here one file for
//! the weights of the first layer, which are a product with the images, and one for the rest.

pub mod hidden;
pub mod output;
