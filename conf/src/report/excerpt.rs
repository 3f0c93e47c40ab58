use std::fmt::Write;
use std::ops::Range;

use super::{escaped, mask};
use crate::source::{Source, Sources, Span};

/// Columns of a line that are shown; a longer line is cut on both sides of what is pointed at.
const WIDEST: usize = 100;
/// Of those, columns before what is pointed at.
const BEFORE: usize = 40;
/// Bytes on each side that are looked at, enough for the columns.
const REACH: usize = 4 * WIDEST;

/// A line of a file with carets under a part of it.
pub(super) struct Excerpt {
    /// Lines with their ends: the place, the line, the carets.
    pub text: String,
    /// The width of the line number.
    pub margin: usize,
}

/// The line where `span` starts, with carets under the part of `span` on it.
pub(super) fn of(span: Span, label: Option<&str>, sources: &Sources) -> Option<Excerpt> {
    let source = sources.files().get(usize::try_from(span.file).ok()?)?;
    let position = sources.position_of(span)?;
    let line = cut(source, position.line, span, sources);
    let number = position.line.to_string();
    let margin = number.len();
    let mut text = format!(
        "{:margin$}--> {}:{}:{}\n",
        "",
        escaped(&position.file),
        position.line,
        position.column
    );
    let carets = "^".repeat(line.carets);
    let label = label.map(|label| format!(" {}", escaped(label))).unwrap_or_default();
    let _ = writeln!(text, "{:margin$} |", "");
    let _ = writeln!(text, "{number} | {}", line.text.trim_end());
    let _ = writeln!(text, "{:margin$} | {:indent$}{carets}{label}", "", "", indent = line.indent);
    Some(Excerpt { text, margin })
}

/// A line as it is shown.
struct Line {
    text: String,
    indent: usize,
    carets: usize,
}

/// A character as it is shown.
struct Cell {
    shown: String,
    width: usize,
    is_pointed_at: bool,
}

fn cut(source: &Source, number: usize, span: Span, sources: &Sources) -> Line {
    let range = source.line_range(number);
    let (start, end) = (span.start as usize, span.end as usize);
    let text = source.text();
    let from = text.floor_char_boundary(start.saturating_sub(REACH).max(range.start));
    let to = text.floor_char_boundary(start.saturating_add(REACH).clamp(from, range.end.max(from)));
    let hidden = mask::hidden(source, range.clone(), from..to, span.file, sources);
    let cells = cells(source, from..to, start..end, &hidden);

    let first = cells.iter().position(|cell| cell.is_pointed_at).unwrap_or(cells.len());
    let before = |count: usize| cells.iter().take(count).map(|cell| cell.width).sum::<usize>();
    let mut skipped = 0;
    if before(cells.len()) > WIDEST {
        while skipped < first && before(first) - before(skipped) > BEFORE {
            skipped += 1;
        }
    }
    let mut line = Line { text: String::new(), indent: 0, carets: 0 };
    if skipped > 0 || from > range.start {
        line.text.push_str("...");
        line.indent = 3;
    }
    let mut width = 0;
    let mut is_before = true;
    for cell in cells.iter().skip(skipped) {
        width += cell.width;
        if width > WIDEST {
            line.text.push_str("...");
            break;
        }
        line.text.push_str(&cell.shown);
        if cell.is_pointed_at {
            is_before = false;
            line.carets += cell.width;
        } else if is_before {
            line.indent += cell.width;
        }
    }
    line.carets = line.carets.max(1);
    line
}

fn cells(
    source: &Source,
    range: Range<usize>,
    span: Range<usize>,
    hidden: &[Range<usize>],
) -> Vec<Cell> {
    let text = source.text().get(range.clone()).unwrap_or_default();
    let mut cells: Vec<Cell> = Vec::new();
    let mut was_hidden = false;
    for (offset, c) in text.char_indices() {
        let offset = range.start + offset;
        let is_pointed_at = span.contains(&offset);
        let hides = hidden.iter().any(|hidden| hidden.contains(&offset));
        if !hides {
            let shown = shown(c);
            cells.push(Cell { width: width(c, &shown), shown, is_pointed_at });
        } else if !was_hidden {
            cells.push(Cell { shown: "***".to_owned(), width: 3, is_pointed_at });
        } else if let Some(last) = cells.last_mut() {
            last.is_pointed_at |= is_pointed_at;
        }
        was_hidden = hides;
    }
    cells
}

fn shown(c: char) -> String {
    match c {
        '\t' => "    ".to_owned(),
        _ if is_unseen(c) => c.escape_unicode().to_string(),
        _ => c.to_string(),
    }
}

/// Characters that control the terminal, change the direction of text, or have no width.
pub(super) fn is_unseen(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{ad}' | '\u{61c}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}')
        || matches!(c, '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{e0000}'..='\u{e007f}')
}

/// Columns of a terminal, near enough for carets.
fn width(c: char, shown: &str) -> usize {
    match c {
        '\u{300}'..='\u{36f}' | '\u{fe00}'..='\u{fe0f}' => 0,
        '\u{1100}'..='\u{115f}'
        | '\u{2e80}'..='\u{a4cf}'
        | '\u{ac00}'..='\u{d7a3}'
        | '\u{f900}'..='\u{faff}'
        | '\u{fe30}'..='\u{fe6f}'
        | '\u{ff00}'..='\u{ff60}'
        | '\u{ffe0}'..='\u{ffe6}'
        | '\u{1f300}'..='\u{1f9ff}'
        | '\u{20000}'..='\u{3fffd}' => 2,
        _ => shown.chars().count(),
    }
}
