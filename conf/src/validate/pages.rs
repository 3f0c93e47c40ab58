use crate::model::ErrorPage;
use crate::problem::{Place, Problem};

/// Pages of one list: each status at most once.
pub(super) fn validate(pages: &[ErrorPage], list: &Place, problems: &mut Vec<Problem>) {
    let mut seen = std::collections::HashMap::new();
    for (page_index, page) in pages.iter().enumerate() {
        for (index, status) in page.statuses.iter().enumerate() {
            let place = || list.index(page_index).key("statuses").index(index);
            if let Some((first_page, first)) = seen.insert(*status, (page_index, index)) {
                let first = list.index(first_page).key("statuses").index(first);
                let message = format!("there are two pages for {status}");
                let problem = Problem::new("duplicate-page", place(), message);
                problems.push(problem.label("remove one").note("the first is here", Some(first)));
            }
        }
    }
}
