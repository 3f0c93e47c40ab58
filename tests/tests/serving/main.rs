//! Requests on their way: routes, rewrites, forwarding, protocols, and what is told of them.
#![forbid(unsafe_code)]

mod balancers;
mod bodies;
mod compression;
mod decompression;
mod forwarding;
mod grpc;
mod grpc_interop;
mod grpc_web;
mod http2;
mod identity;
mod logs;
mod metrics;
mod pages;
mod policies;
mod pool;
mod proxy_protocol;
mod proxy_protocol_out;
mod relay;
mod rewriting;
mod routing;
mod traces;
mod trust;
mod unix;
mod unix_endpoints;
mod upstreams;
mod websocket;
