use super::*;

#[test]
fn an_answer_is_renewed_when_about_half_of_its_time_is_over() {
    let day = Duration::from_hours(24);
    for (left, random, expected) in [
        (day, 0.0, day.mul_f64(0.45)),
        (day, 1.0, day.mul_f64(0.55)),
        (Duration::from_secs(2), 0.5, Duration::from_secs(1)),
        (Duration::from_secs(40), 0.5, Duration::from_secs(20)),
        (Duration::ZERO, 0.5, Duration::from_secs(1)),
        (7 * day, 0.5, PAUSES.1),
    ] {
        assert_eq!(next_in(left, random).as_secs(), expected.as_secs(), "{left:?} {random}");
    }
}

#[test]
fn failures_space_out_up_to_about_an_hour() {
    let at = |failures| retry_in(failures, 0.5).as_secs();
    assert_eq!((at(1), at(2), at(3), at(13), at(1000)), (1, 2, 4, 4096, 4096));
}

#[test]
fn an_answer_that_has_ended_is_not_stapled() {
    let now = SystemTime::now();
    let minute = Duration::from_mins(1);
    let answer = |until| Answer { bytes: vec![1], good: Good { from: now - 2 * minute, until } };
    assert_eq!(answer(now + minute).bytes(), Some(&[1][..]));
    assert_eq!(answer(now - minute).bytes(), None);
}
