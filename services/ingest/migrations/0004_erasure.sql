-- A person that was erased then: no profile from before is published again.
ALTER TABLE profiles ADD COLUMN erased_at timestamptz;
