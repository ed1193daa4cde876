//! What a load balancer that knows AI APIs knows.

pub mod catalogue;
pub mod estimate;
pub mod multipart;
pub mod path;
pub mod preamble;
pub mod price;
pub mod quota;
pub mod request;
pub mod sse;
pub mod usage;
