//! The head of an endpoint's answer.

use marchproxy_decide::verdict::Reason;
use marchproxy_decide::wire::answer::{AnswerFacts, AnswerScanner};

use crate::cuts;

/// The input is a head, and perhaps what follows it on the connection.
pub fn answer_head(bytes: &[u8]) {
    let whole = AnswerScanner::new().inspect(bytes);
    for ends in cuts::ways(bytes) {
        let pieces = in_pieces(bytes, &ends);
        assert_eq!(pieces, whole, "cut at {ends:?}");
    }
    let Ok(Some(facts)) = whole else { return };
    assert!(facts.length <= bytes.len() && facts.fields_start <= facts.length);
    assert!((100..600).contains(&facts.status));

    // Whoever reads the same head leniently must see the same message.
    let mut fields = vec![httparse::EMPTY_HEADER; facts.fields + 1];
    let mut lenient = httparse::Response::new(&mut fields);
    match lenient.parse(bytes) {
        Ok(httparse::Status::Complete(length)) => {
            assert_eq!(length, facts.length, "another reader sees another head");
            assert_eq!(lenient.code, Some(facts.status));
            assert_eq!(lenient.headers.len(), facts.fields);
            let phrase = &bytes[facts.phrase.clone()];
            // It reads a phrase with other characters as none.
            if phrase.is_ascii() {
                assert_eq!(lenient.reason.map(str::as_bytes), Some(phrase));
            }
        }
        other => panic!("another reader does not take it: {other:?}"),
    }
}

fn in_pieces(bytes: &[u8], ends: &[usize]) -> Result<Option<AnswerFacts>, Reason> {
    let mut scanner = AnswerScanner::new();
    for end in ends {
        match scanner.inspect(&bytes[..*end]) {
            Ok(None) => {}
            settled => return settled,
        }
    }
    Ok(None)
}
