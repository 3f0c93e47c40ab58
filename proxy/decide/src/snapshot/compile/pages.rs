//! Error pages, read when the configuration is loaded.

use std::io;
use std::path::Path;

use http::{HeaderValue, StatusCode};
use marchproxy_conf::model;
use marchproxy_conf::problem::{Place, Problem};

use crate::snapshot::{ErrorPage, ErrorPages};

/// The longest page: it is kept in memory and sent whole.
const MAX_PAGE: usize = 1024 * 1024;

pub(super) fn compile(
    models: &[model::ErrorPage],
    place: &Place,
    files: &mut dyn FnMut(&Path) -> io::Result<Vec<u8>>,
    problems: &mut Vec<Problem>,
) -> ErrorPages {
    let mut pages = Vec::with_capacity(models.len());
    for (position, model) in models.iter().enumerate() {
        let place = place.index(position);
        let model::ErrorPage { statuses, file, content_type } = model;
        let body = match files(file) {
            Ok(body) if body.len() <= MAX_PAGE => body,
            Ok(_) => {
                let message = format!("`{}` is longer than 1MiB", file.display());
                problems.push(Problem::new("error-page", place.key("file"), message));
                continue;
            }
            Err(error) => {
                let message = format!("`{}` cannot be read: {error}", file.display());
                problems.push(Problem::new("error-page", place.key("file"), message));
                continue;
            }
        };
        let Ok(content_type) = HeaderValue::from_str(content_type) else {
            let message = "this is no media type";
            problems.push(Problem::new("media-type", place.key("content_type"), message));
            continue;
        };
        let statuses = statuses.iter().filter_map(|status| StatusCode::from_u16(*status).ok());
        pages.push(ErrorPage { statuses: statuses.collect(), body: body.into(), content_type });
    }
    ErrorPages(pages)
}
