-- From version 1 to 2.
ALTER TABLE builds ADD COLUMN contexts TEXT;
DROP INDEX builds_by_state;
CREATE INDEX builds_by_state ON builds (state, created, id, namespace, priority, attempt,
                                        needs_secrets, cancel_requested);
CREATE INDEX builds_by_start ON builds (namespace, started) WHERE started IS NOT NULL;
CREATE INDEX builds_by_end ON builds (ended) WHERE ended IS NOT NULL;
CREATE INDEX builds_by_contexts ON builds (state, contexts) WHERE contexts <> '';
CREATE INDEX builds_without_contexts ON builds (state) WHERE contexts IS NULL;
