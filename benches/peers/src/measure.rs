//! How things are timed side by side: in turn, round after round, and the median of each. A machine
//! that slows down for a while slows all of them down. Each round has an order of its own, drawn by chance.
//!
//! A turn is long enough to be what a program that trains is after its first steps. Its first 10 ms are not
//! counted: caches fill; threads of whoever came before stop looking for more work (candle's keep a
//! core busy for 1.4 ms); and threads that slept are woken, on a virtual machine often on the core of
//! whoever woke them, from where the system moves them at a later tick, of which it has one each 4 ms.

use gradkern::Rng;
use std::time::{Duration, Instant};

/// Seconds that a sample takes at least: a short function is called many times for one.
const SAMPLE: f64 = 100e-6;
/// Seconds of a turn that are not counted, at least.
const WARMING: f64 = 10e-3;
/// Seconds of a turn that are counted, at least.
const COUNTED: f64 = 5e-3;
/// Nothing of a turn is left uncounted where a sample takes longer: it gains little from caches and threads that are
/// warm or awake.
const WORTH_WARMING: f64 = 30e-3;

/// One of the functions compared.
pub struct Contender<'a> {
    pub name: String,
    seconds: Box<dyn FnMut(usize) -> f64 + 'a>,
}

impl<'a> Contender<'a> {
    pub fn new(name: &str, mut f: impl FnMut() + 'a) -> Self {
        Self::timed_by_itself(name, move |calls| {
            let start = Instant::now();
            (0..calls).for_each(|_| f());
            start.elapsed().as_secs_f64()
        })
    }

    /// A contender that is told how often to call what it stands for, and says how many seconds
    /// that took.
    pub fn timed_by_itself(name: &str, seconds: impl FnMut(usize) -> f64 + 'a) -> Self {
        Contender { name: name.to_string(), seconds: Box::new(seconds) }
    }

    /// The seconds that one call takes, alone.
    pub fn once(&mut self) -> f64 {
        (self.seconds)(1)
    }

    /// How many calls fill a sample, and the seconds they took. What the first calls compile,
    /// allocate or wake is done with afterwards.
    fn calibrate(&mut self) -> Sample {
        self.once();
        let mut calls = 1;
        loop {
            let seconds = (self.seconds)(calls);
            if seconds >= SAMPLE {
                return Sample { calls, seconds };
            }
            let wanted = (1.2 * SAMPLE / seconds.max(1e-9)).min(10.0);
            calls = (calls as f64 * wanted).ceil() as usize;
        }
    }

    /// Adds a turn's samples: seconds a call.
    fn take_turn(&mut self, sample: Sample, samples: &mut Vec<f64>) {
        let mut spent = 0.0;
        while spent < sample.warming() {
            spent += (self.seconds)(sample.calls);
        }
        let mut counted = 0.0;
        while counted < COUNTED {
            let seconds = (self.seconds)(sample.calls);
            samples.push(seconds / sample.calls as f64);
            counted += seconds;
        }
    }
}

#[derive(Clone, Copy)]
struct Sample {
    calls: usize,
    seconds: f64,
}

impl Sample {
    /// Seconds of a turn that are not counted.
    fn warming(self) -> f64 {
        if self.seconds < WORTH_WARMING { WARMING } else { 0.0 }
    }

    fn seconds_of_a_turn(self) -> f64 {
        self.warming() + self.seconds.max(COUNTED)
    }
}

/// How long a row of a table may take, and how many rounds it has at least and at most.
#[derive(Clone, Copy)]
pub struct Effort {
    pub budget: Duration,
    pub least: usize,
    pub most: usize,
}

/// Seconds that a call of a contender takes.
#[derive(Clone, Copy)]
pub struct Seconds {
    pub median: f64,
    pub least: f64,
}

/// Times the contenders in turn.
pub fn side_by_side(contenders: &mut [Contender<'_>], effort: Effort) -> Vec<Seconds> {
    let samples: Vec<_> = contenders.iter_mut().map(Contender::calibrate).collect();
    let round: f64 = samples.iter().map(|sample| sample.seconds_of_a_turn()).sum();
    let rounds = (effort.budget.as_secs_f64() / round) as usize;
    let rounds = rounds.clamp(effort.least, effort.most);
    let mut seconds = vec![Vec::new(); contenders.len()];
    let mut order: Vec<usize> = (0..contenders.len()).collect();
    let mut random = Rng::new(0);
    for _ in 0..rounds {
        random.shuffle(&mut order);
        for &i in &order {
            contenders[i].take_turn(samples[i], &mut seconds[i]);
        }
    }
    seconds.into_iter().map(Seconds::of).collect()
}

impl Seconds {
    fn of(mut samples: Vec<f64>) -> Self {
        samples.sort_by(f64::total_cmp);
        let (below, above) = ((samples.len() - 1) / 2, samples.len() / 2);
        Seconds { median: 0.5 * (samples[below] + samples[above]), least: samples[0] }
    }
}
