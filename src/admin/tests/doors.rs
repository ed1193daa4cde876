//! Both doors over real sockets.
