//! The peers in Python, in a process of their own that is told when to run: so they take their
//! turns like everyone.

use crate::measure::Contender;
use serde::{Deserialize, Serialize};
use serde_json::json;
use std::cell::RefCell;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::rc::Rc;

const SERVER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/engines.py");

/// The process. Each request and each answer is a line of JSON.
#[derive(Clone)]
pub struct Python(Rc<RefCell<Pipes>>);

struct Pipes {
    requests: ChildStdin,
    answers: BufReader<ChildStdout>,
    _child: Child,
}

#[derive(Deserialize)]
struct Prepared {
    engines: Vec<String>,
}

#[derive(Deserialize)]
struct Timed {
    seconds: f64,
}

impl Python {
    /// Starts the process with an interpreter that has the libraries.
    pub fn start(interpreter: &Path, threads: usize) -> std::io::Result<Self> {
        let mut child = Command::new(interpreter)
            .args([SERVER, &threads.to_string()])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let requests = child.stdin.take().expect("a piped input");
        let answers = BufReader::new(child.stdout.take().expect("a piped output"));
        Ok(Python(Rc::new(RefCell::new(Pipes { requests, answers, _child: child }))))
    }

    /// The libraries that are installed, ready to compute a case of a table.
    pub fn contenders<'a>(&self, table: &str, case: &impl Serialize) -> Vec<Contender<'a>> {
        let prepared: Prepared = self.ask(&json!({ "prepare": table, "case": case }));
        let contender = |engine: String| {
            let python = self.clone();
            Contender::timed_by_itself(&engine.clone(), move |calls| {
                let timed: Timed = python.ask(&json!({ "time": engine, "calls": calls }));
                timed.seconds
            })
        };
        prepared.engines.into_iter().map(contender).collect()
    }

    fn ask<T: for<'de> Deserialize<'de>>(&self, request: &serde_json::Value) -> T {
        let Pipes { requests, answers, .. } = &mut *self.0.borrow_mut();
        writeln!(requests, "{request}").expect("a running Python");
        let mut answer = String::new();
        answers.read_line(&mut answer).expect("a running Python");
        serde_json::from_str(&answer).expect("an answer of engines.py, whose errors are above")
    }
}
