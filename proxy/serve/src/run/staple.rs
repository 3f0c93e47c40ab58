//! OCSP answers of the certificates that are served.

use std::sync::Arc;

use marchproxy_conf::model;

use super::load::Certificates;
use crate::certificate::ocsp::Staple;
use crate::observe::Observer;
use crate::resolver::Resolver;

/// Has the OCSP answers of `certificates` renewed for as long as these are there.
pub(super) fn begin(
    resolver: &model::Resolver,
    certificates: &Certificates,
    observer: &Arc<Observer>,
) {
    let stapled = certificates.iter();
    let stapled = stapled.filter_map(|(name, one)| Some((name.as_str(), one.staple.as_ref()?)));
    let stapled: Vec<(&str, &Arc<Staple>)> = stapled.collect();
    let new = || stapled.iter().filter(|(_, staple)| !staple.is_kept_fresh());
    for (_, staple) in new() {
        staple.recall();
    }
    let expiries: Vec<_> = stapled.iter().map(|(name, staple)| (*name, staple.expiry())).collect();
    observer.metrics.staples(&expiries);
    warn_of_missing(certificates);
    if new().next().is_none() {
        return;
    }
    match Resolver::new(resolver).map(Arc::new) {
        Ok(resolver) => {
            for (_, staple) in new() {
                staple.keep_fresh(&resolver, observer);
            }
        }
        Err(error) => tracing::error!(error, "cannot ask OCSP responders"),
    }
}

/// Clients that know of RFC 7633 refuse some certificates without a staple.
fn warn_of_missing(certificates: &Certificates) {
    for (certificate, one) in certificates {
        let why = match &one.staple {
            None => "`ocsp` is not configured",
            Some(staple) if !staple.is_kept_fresh() && staple.current().is_none() => {
                "none is there yet"
            }
            Some(_) => continue,
        };
        if one.must_staple() {
            let message = "clients refuse this certificate without an OCSP answer";
            tracing::warn!(certificate, why, "{message}");
        }
    }
}
