//! The two readers, held against each other.

use super::super::read_any;
use super::*;
use crate::convert::{Notation, written_as};

/// Everything that messages point at: values, and where each begins. Where a map or list ends is nobody's business.
fn same(one: &Node, other: &Node) -> Result<(), String> {
    let differ = |what: &str| Err(format!("{what}: {one:?}\n{other:?}"));
    if one.span.start != other.span.start {
        return differ("start");
    }
    match (&one.value, &other.value) {
        (Value::List(items), Value::List(others)) if items.len() == others.len() => {
            items.iter().zip(others).try_for_each(|(item, other)| same(item, other))
        }
        (Value::Map(entries), Value::Map(others)) if entries.len() == others.len() => {
            entries.iter().zip(others).try_for_each(|(entry, other)| {
                if entry.key != other.key || entry.key_span != other.key_span {
                    return Err(format!("key: {entry:?}\n{other:?}"));
                }
                same(&entry.value, &other.value)
            })
        }
        (value, other) if value == other => Ok(()),
        _ => differ("value"),
    }
}

/// Whether the quick reader answers at all.
#[track_caller]
fn check(text: &str) -> bool {
    let Some(quick) = read(text) else { return false };
    let whole =
        read_any(text).unwrap_or_else(|error| panic!("only the quick one reads it: {error:?}\n{text}"));
    same(&quick, &whole).unwrap_or_else(|difference| panic!("{difference}\n{text}"));
    true
}

const EVERYDAY: &str = "---
# what it is
schemaVersion: '2.2'   # a text
description: it's a \\ \"test\" #1
parameters:
  p:
    type: String
    default: \"a\\n\\\"b\\\" \\\\ c\"
    allowedValues: [ one, 'two # 2', \"three\", 4, true ]
    minChars: 0
    allowedPattern: ^[a-z]+$
mainSteps:
- action: aws:runShellScript
  name: first
  precondition:
    StringEquals: [platformType, Linux]
  inputs:
    timeoutSeconds: \"60\"
    runCommand:
      - |
        #!/bin/sh

        if true; then
        \techo 'a: b'
        fi

      - echo {{ p }}
      - - nested
        - list
      - 'it''s'
      - -x
- name: second
  action: aws:runDocument
  inputs:
    documentType: LocalPath
    documentPath: |-
      a
       b
    documentParameters: |+
      c

    \"in quotes\": []
    empty: ''
last: ~
none: {}
";

#[test]
fn what_people_mostly_write_is_read_quickly() {
    assert!(check(EVERYDAY));
    for shipped in crate::library::all() {
        let yaml = written_as(shipped.text, Notation::Yaml).unwrap();
        check(&yaml);
    }
}

#[test]
fn what_it_does_not_understand_is_left_to_the_whole_language() {
    for text in [
        "",
        "a",
        "a:",
        "a: b: c",
        "a: b:",
        "a: &x b",
        "a: *x",
        "a: !t b",
        "a: >\n  b\n",
        "a: |2\n    b\n",
        "a: |\n  b",
        "a: b\n  c\n",
        "a: 'b\n  c'\n",
        "a: {b: c}\n",
        "a: [b, [c]]\n",
        "a: [b,\n  c]\n",
        "a: \"\\x41\"\n",
        "a:\tb\n",
        "a: b\r\n",
        "a: b\n...\n",
        "a: b\n---\nc: d\n",
        "? a\n: b\n",
        "<<: {a: b}\n",
        "null: a\n",
        "1: a\n",
        "a: b\n- c\n",
        "- a\nb: c\n",
        " a: b\n",
        "a: b\n c: d\n",
        "a: [b c]d\n",
        "a: 'b'c\n",
        "a: [b,,c]\n",
        "a: -\n",
        "a: - b\n",
        "a: @b\n",
        "\u{feff}a: b\n",
        "a: b\u{85}c: d\n",
        "a: |\n    b\n  c\n",
    ] {
        assert!(!check(text), "{text:?}");
    }
}

#[test]
fn both_readers_say_the_same_whatever_was_changed() {
    const PIECES: [&str; 26] = [
        " ", "  ", "\n", "- ", ": ", ":", "#", " #", "'", "\"", "|", "|-\n", "|+\n", "[", "]", ",", "\\",
        "\t", "---", "...", "?", "x", "~", "é", "{", "&a ",
    ];
    let mut state = 0x2545_f491_4f6c_dd1d_u64;
    let mut below = |bound: usize| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        usize::try_from(state % bound.max(1) as u64).unwrap_or(0)
    };
    let lines: Vec<&str> = EVERYDAY.lines().collect();
    let mut quick = 0;
    for _ in 0..6_000 {
        let mut changed: Vec<String> = lines.iter().map(|line| (*line).to_owned()).collect();
        let first = below(changed.len());
        let length = 1 + below(14);
        changed = changed.into_iter().skip(first).take(length).collect();
        // A part of a document begins where its first line begins.
        let indent = changed[0].len() - changed[0].trim_start_matches(' ').len();
        for line in &mut changed {
            let spaces = line.len() - line.trim_start_matches(' ').len();
            line.drain(..indent.min(spaces));
        }
        for _ in 0..below(3) {
            let at = below(changed.len());
            let line = &mut changed[at];
            let mut column = below(line.len() + 1);
            while !line.is_char_boundary(column) {
                column -= 1;
            }
            match below(4) {
                0 => line.insert_str(column, PIECES[below(PIECES.len())]),
                1 => line.truncate(column),
                2 => line.insert(0, ' '),
                _ => {
                    line.insert_str(column, PIECES[below(PIECES.len())]);
                    line.insert_str(0, ["", " ", "  "][below(3)]);
                }
            }
        }
        let mut text = changed.join("\n");
        if below(8) > 0 {
            text.push('\n');
        }
        quick += usize::from(check(&text));
    }
    assert!(quick > 500, "the quick reader answered {quick} times only");
}
