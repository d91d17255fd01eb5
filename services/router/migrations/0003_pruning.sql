-- What is old is found without reading whole tables (services/router/retention.py).
CREATE INDEX messages_known_since ON messages USING brin (known_since);
CREATE INDEX conversations_known_since ON conversations USING brin (known_since);
CREATE INDEX early_changes_kept_since ON early_changes USING brin (kept_since);
CREATE INDEX decisions_decided_at ON decisions USING brin (decided_at);
CREATE INDEX posts_changed_at ON posts USING brin (changed_at);
CREATE INDEX tickets_changed_at ON tickets USING brin (changed_at);
CREATE INDEX ticket_conversations_ticket ON ticket_conversations (ticket_id);
CREATE INDEX places_alias_of ON places (alias_of) WHERE alias_of IS NOT NULL;
