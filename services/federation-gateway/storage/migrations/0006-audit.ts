/**
 * One row for each request, and no content of any. What was written stays: nobody changes or removes it, its owner neither, but the
 * archiver, who can only move it. Ids lead nowhere by foreign key: a row outlives what it tells of.
 */
export const sql = `
CREATE TABLE federation_audit_log (
  id uuid PRIMARY KEY,
  at timestamptz NOT NULL,
  request_id text NOT NULL UNIQUE,
  direction text NOT NULL CHECK (direction IN ('inbound', 'outbound')),
  verb text NOT NULL,
  resource text,
  query_hash text,
  outcome text NOT NULL CHECK (outcome IN ('allowed', 'denied', 'error', 'aborted', 'failed')),
  status integer,
  reason text,
  tenant_id uuid,
  grant_id uuid,
  peer_id uuid,
  subject_user_id uuid,
  cert_serial text,
  rows_out integer,
  bytes_out bigint,
  latency_ms real,
  trace_id text
);
CREATE TABLE federation_audit_archive (LIKE federation_audit_log INCLUDING ALL);

CREATE INDEX federation_audit_log_grant ON federation_audit_log (grant_id, at DESC);
CREATE INDEX federation_audit_log_peer ON federation_audit_log (peer_id, at DESC);
CREATE INDEX federation_audit_log_newest ON federation_audit_log (tenant_id, at DESC, id DESC);
CREATE INDEX federation_audit_log_oldest ON federation_audit_log (at);
CREATE INDEX federation_audit_archive_grant ON federation_audit_archive (grant_id, at DESC);
CREATE INDEX federation_audit_archive_peer ON federation_audit_archive (peer_id, at DESC);
CREATE INDEX federation_audit_archive_newest ON federation_audit_archive (tenant_id, at DESC, id DESC);

CREATE VIEW federation_audit_all AS
  SELECT *, false AS archived FROM federation_audit_log
  UNION ALL
  SELECT *, true AS archived FROM federation_audit_archive;

CREATE FUNCTION federation_audit_is_append_only() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF TG_OP = 'DELETE' AND TG_TABLE_NAME = 'federation_audit_log' AND current_user = 'gateway_archiver' THEN
    RETURN NULL;
  END IF;
  RAISE EXCEPTION '% is append-only: % is refused', TG_TABLE_NAME, TG_OP USING ERRCODE = 'insufficient_privilege';
END
$$;
CREATE TRIGGER federation_audit_is_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON federation_audit_log
  FOR EACH STATEMENT EXECUTE FUNCTION federation_audit_is_append_only();
CREATE TRIGGER federation_audit_is_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON federation_audit_archive
  FOR EACH STATEMENT EXECUTE FUNCTION federation_audit_is_append_only();

GRANT SELECT, INSERT ON federation_audit_log TO gateway_app;
GRANT SELECT ON federation_audit_archive, federation_audit_all TO gateway_app;
GRANT SELECT, DELETE ON federation_audit_log TO gateway_archiver;
GRANT SELECT, INSERT ON federation_audit_archive TO gateway_archiver;
`
