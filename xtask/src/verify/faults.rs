//! What goes wrong, and when: all of it from the seed, before anything begins.

use std::{
    fmt,
    sync::atomic::Ordering::SeqCst,
    thread,
    time::{Duration, Instant, SystemTime},
};

use anyhow::Result;
use fastrand::Rng;
use phasewright_test_postgres::{Cluster, Stop};

use super::{LEASE, Options, fleet::Fleet};

/// How soon after the start something goes wrong: first there is to be something to break.
const LEAD: Duration = Duration::from_secs(2);

/// One thing that goes wrong.
#[derive(Debug, Clone, Copy)]
pub enum Fault {
    /// This host gets SIGKILL and comes back after so long.
    Kill(usize, Duration),
    /// This host stands still for so long: perhaps longer than others believe that it lives.
    Stop(usize, Duration),
    /// It goes on.
    GoOn(usize),
    /// The database stops for so long.
    Outage(Stop, Duration),
}

/// Faults in the order of their times, counted from the start.
pub struct Schedule(Vec<(Duration, Fault)>);

/// What was done.
#[derive(Debug, Default)]
pub struct Done {
    pub kills: u32,
    pub stops: u32,
    /// Stops longer than the lease.
    pub long_stops: u32,
    pub outages: u32,
    /// When hosts were killed.
    pub kill_times: Vec<SystemTime>,
}

impl Schedule {
    /// About one fault every so often, for so long.
    pub fn random(rng: &mut Rng, options: &Options, has_outages: bool) -> Self {
        let Options { time, hosts, .. } = *options;
        let every = options.faults_every;
        let mut faults = Vec::new();
        let mut at = LEAD.min(time);
        loop {
            at += every.mul_f64(0.3 + 1.4 * rng.f64());
            if at >= time {
                break;
            }
            let host = rng.usize(..hosts);
            let kind = rng.u32(..100);
            let (short, long) = (rng.f64(), rng.f64());
            match kind {
                0..15 if has_outages => {
                    let how = if rng.bool() {
                        Stop::Immediate
                    } else {
                        Stop::Fast
                    };
                    faults.push((
                        at,
                        Fault::Outage(how, Duration::from_secs(3).mul_f64(short)),
                    ));
                }
                15..35 => {
                    // Half of them so short that nobody may notice.
                    let length = if rng.bool() {
                        LEASE + LEASE.mul_f64(long)
                    } else {
                        LEASE.mul_f64(0.7 * long)
                    };
                    faults.push((at, Fault::Stop(host, length)));
                    faults.push((at + length, Fault::GoOn(host)));
                }
                _ => {
                    let away = if rng.u32(..3) == 0 {
                        (LEASE * 2).mul_f64(long)
                    } else {
                        Duration::ZERO
                    };
                    faults.push((at, Fault::Kill(host, away)));
                }
            }
        }
        faults.sort_by_key(|(at, _)| *at);
        Self(faults)
    }

    /// Does it all, each at its time; gives what was done.
    pub fn play(&self, fleet: &Fleet, cluster: Option<&Cluster>) -> Result<Done> {
        let started = Instant::now();
        let mut done = Done::default();
        for (at, fault) in &self.0 {
            thread::sleep(at.saturating_sub(started.elapsed()));
            let took_place = match *fault {
                Fault::Kill(host, away) => {
                    let is_killed = fleet.kill(host, away);
                    if is_killed {
                        done.kills += 1;
                        done.kill_times.push(SystemTime::now());
                    }
                    is_killed
                }
                Fault::Stop(host, length) => {
                    let is_stopped = fleet.stop(host);
                    done.stops += u32::from(is_stopped);
                    done.long_stops += u32::from(is_stopped && length >= LEASE);
                    is_stopped
                }
                Fault::GoOn(host) => fleet.go_on(host),
                Fault::Outage(how, length) => {
                    if let Some(cluster) = cluster {
                        fleet.is_database_down.store(true, SeqCst);
                        fleet.outages.fetch_add(1, SeqCst);
                        cluster.stop(how)?;
                        thread::sleep(length);
                        cluster.start_again()?;
                        fleet.is_database_down.store(false, SeqCst);
                        done.outages += 1;
                    }
                    cluster.is_some()
                }
            };
            if took_place {
                eprintln!("{:7.1} s  {fault}", started.elapsed().as_secs_f64());
            }
        }
        Ok(done)
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let s = |time: &Duration| format!("{:.1} s", time.as_secs_f64());
        match self {
            Self::Kill(host, away) if away.is_zero() => write!(f, "host {host} is killed"),
            Self::Kill(host, away) => write!(f, "host {host} is killed, for {}", s(away)),
            Self::Stop(host, length) => write!(f, "host {host} stands still for {}", s(length)),
            Self::GoOn(host) => write!(f, "host {host} goes on"),
            Self::Outage(how, length) => {
                write!(f, "the database stops ({how:?}) for {}", s(length))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Fault, Schedule};
    use crate::verify::{Database, Options, world::random};

    fn schedule(database: Database) -> Schedule {
        let options = Options::new(database, 30.0);
        let has_outages = database == Database::Postgres;
        Schedule::random(&mut random(7, 0), &options, has_outages)
    }

    #[test]
    fn a_schedule_is_from_the_seed_and_half_an_hour_has_enough_of_everything() {
        let (first, again) = (schedule(Database::Postgres), schedule(Database::Postgres));
        assert_eq!(format!("{:?}", first.0), format!("{:?}", again.0));
        let count = |is: fn(&Fault) -> bool| first.0.iter().filter(|(_, fault)| is(fault)).count();
        assert!(count(|fault| matches!(fault, Fault::Kill(..))) >= 250);
        assert!(count(|fault| matches!(fault, Fault::Stop(..))) >= 50);
        assert!(count(|fault| matches!(fault, Fault::Outage(..))) >= 30);
    }

    #[test]
    fn whoever_stands_still_goes_on_in_the_end() {
        for database in [Database::Postgres, Database::Sqlite] {
            let mut still = Vec::new();
            for (_, fault) in schedule(database).0 {
                match fault {
                    Fault::Stop(host, _) => still.push(host),
                    Fault::GoOn(host) => still.retain(|other| *other != host),
                    Fault::Kill(..) | Fault::Outage(..) => {}
                }
            }
            assert!(still.is_empty(), "{still:?}");
        }
    }
}
