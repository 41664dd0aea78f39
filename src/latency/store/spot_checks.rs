//! Results of trying tables of other machines on this one.

use rusqlite::params;

use super::super::{LatencyError, SpotCheck};
use super::Store;

impl Store {
    /// Now, as dates are stored: UTC, ISO 8601.
    ///
    /// # Errors
    /// When SQLite does not answer.
    pub fn now(&self) -> Result<String, LatencyError> {
        let now = self.connection.query_row("SELECT strftime('%Y-%m-%dT%H:%M:%SZ', 'now')", [], |row| row.get(0));
        now.map_err(|source| self.failed("reading the time", source))
    }

    /// Stores what trying a table on this machine showed.
    ///
    /// # Errors
    /// When the database cannot be written.
    pub fn insert_spot_check(&mut self, check: &SpotCheck) -> Result<(), LatencyError> {
        let SpotCheck {
            setting,
            content,
            processor,
            host,
            runtime_version,
            at,
            factor,
            scatter,
            mape,
            networks,
            verdict,
        } = check;
        let written = self.connection.execute(
            "INSERT INTO spot_check (setting, content, processor, host, runtime_version, at, factor, scatter, mape,
                 networks, verdict) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)",
            params![
                setting,
                content,
                processor,
                host,
                runtime_version,
                at,
                factor,
                scatter,
                mape,
                networks,
                verdict.name()
            ],
        );
        written.map(drop).map_err(|source| self.failed("storing the check of a table on this machine", source))
    }

    /// The newest result for a table (setting and content) on a kind of processor; where that is not known, on the
    /// machine of this name.
    ///
    /// # Errors
    /// When the database cannot be read, or holds an unknown verdict.
    pub fn spot_check(
        &self,
        setting: &str,
        content: &str,
        processor: &str,
        host: &str,
    ) -> Result<Option<SpotCheck>, LatencyError> {
        const DOING: &str = "reading the check of a table on this machine";
        let read = || -> rusqlite::Result<Option<(SpotCheck, String)>> {
            let mut statement = self.connection.prepare(
                "SELECT * FROM spot_check WHERE setting = ?1 AND content = ?2 AND processor = ?3
                     AND (processor <> '' OR host = ?4) ORDER BY id DESC LIMIT 1",
            )?;
            let mut rows = statement.query(params![setting, content, processor, host])?;
            let Some(row) = rows.next()? else { return Ok(None) };
            let check = SpotCheck {
                setting: row.get("setting")?,
                content: row.get("content")?,
                processor: row.get("processor")?,
                host: row.get("host")?,
                runtime_version: row.get("runtime_version")?,
                at: row.get("at")?,
                factor: row.get("factor")?,
                scatter: row.get("scatter")?,
                mape: row.get("mape")?,
                networks: row.get("networks")?,
                verdict: super::super::Verdict::Refused,
            };
            Ok(Some((check, row.get("verdict")?)))
        };
        match read().map_err(|source| self.failed(DOING, source))? {
            None => Ok(None),
            Some((check, verdict)) => {
                let verdict = verdict.parse().map_err(|reason: String| self.bad_content(DOING, reason))?;
                Ok(Some(SpotCheck { verdict, ..check }))
            }
        }
    }
}
