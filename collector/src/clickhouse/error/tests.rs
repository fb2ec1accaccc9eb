//! Which failure is of which class, and what is told of it.

use super::*;

#[test]
fn classes_are_numbered_and_labelled_distinctly() {
    let labels: std::collections::BTreeSet<&str> = Class::ALL.iter().map(|class| class.label()).collect();
    assert_eq!(labels.len(), Class::ALL.len());
    for (number, class) in Class::ALL.into_iter().enumerate() {
        assert_eq!(class as usize, number);
    }
}

#[test]
fn answers() {
    for (answer, class, code, message) in [
        (
            "Code: 516. DB::Exception: default: Authentication failed. (AUTHENTICATION_FAILED)\n",
            Class::Denied,
            Some(516),
            "Code: 516. default: Authentication failed. (AUTHENTICATION_FAILED)",
        ),
        ("Code: 252", Class::TooManyParts, Some(252), "Code: 252"),
        ("Code: 33. DB::Exception: x", Class::Rejected, Some(33), "Code: 33. x"),
        ("Code: 64000. DB::Exception: x", Class::Other, Some(64000), "Code: 64000. x"),
        ("<html>\n502 Bad\tGateway\x1b[1m", Class::NotClickHouse, None, "<html> 502 Bad Gateway[1m"),
        ("Code: many", Class::NotClickHouse, None, "Code: many"),
    ] {
        let error = Error::from(clickhouse::error::Error::BadResponse(answer.to_owned()));
        assert_eq!(error, Error { class, code, message: message.to_owned() });
    }
}

#[test]
fn long_answers_are_cut() {
    let error = of_answer(&"é".repeat(1000));
    assert_eq!(error.message.chars().count(), MESSAGE_CHARACTERS + 3);
}
