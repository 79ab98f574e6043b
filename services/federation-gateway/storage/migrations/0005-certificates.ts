/**
 * How a grant comes to certificates, which there are, and which the CA is still to revoke. Of a token only its hash is here. For one grant
 * at most one certificate is on its way: two tokens that are redeemed at once do not make two at the CA.
 */
export const sql = `
CREATE TABLE federation_enrollment_tokens (
  id uuid PRIMARY KEY,
  tenant_id uuid NOT NULL,
  grant_id uuid NOT NULL,
  peer_id uuid NOT NULL,
  purpose text NOT NULL CHECK (purpose IN ('enrolment', 're-enrolment')),
  token_sha256 text NOT NULL UNIQUE CHECK (token_sha256 ~ '^[0-9a-f]{64}$'),
  prefix text NOT NULL CHECK (length(prefix) = 8),
  created_at timestamptz NOT NULL DEFAULT now(),
  expires_at timestamptz NOT NULL,
  used_at timestamptz,
  FOREIGN KEY (tenant_id, grant_id, peer_id) REFERENCES federation_grants (tenant_id, id, peer_id)
);
CREATE INDEX federation_enrollment_tokens_grant ON federation_enrollment_tokens (grant_id, created_at DESC);

CREATE TABLE federation_certificates (
  serial text PRIMARY KEY CHECK (serial ~ '^[1-9a-f][0-9a-f]{0,39}$'),
  tenant_id uuid NOT NULL,
  grant_id uuid NOT NULL,
  peer_id uuid NOT NULL,
  x5t text NOT NULL UNIQUE CHECK (length(x5t) = 43),
  spki_sha256 text NOT NULL UNIQUE,
  csr_sha256 text NOT NULL,
  status text NOT NULL DEFAULT 'issued'
    CHECK (status IN ('issued', 'active', 'superseded', 'revoked', 'abandoned')),
  cert_pem text NOT NULL,
  chain_pem text NOT NULL,
  not_after timestamptz NOT NULL,
  issued_at timestamptz NOT NULL DEFAULT now(),
  activated_at timestamptz,
  superseded_at timestamptz,
  revoked_at timestamptz,
  CHECK ((status = 'superseded') <= (superseded_at IS NOT NULL)),
  FOREIGN KEY (tenant_id, grant_id, peer_id) REFERENCES federation_grants (tenant_id, id, peer_id)
);
CREATE UNIQUE INDEX federation_certificates_issued ON federation_certificates (grant_id) WHERE status = 'issued';
CREATE UNIQUE INDEX federation_certificates_active ON federation_certificates (grant_id) WHERE status = 'active';
CREATE INDEX federation_certificates_grant ON federation_certificates (grant_id, issued_at DESC);

CREATE TABLE federation_issuance (
  id uuid PRIMARY KEY,
  tenant_id uuid NOT NULL,
  grant_id uuid NOT NULL,
  token_id uuid REFERENCES federation_enrollment_tokens,
  request_id text NOT NULL UNIQUE,
  purpose text NOT NULL CHECK (purpose IN ('enrolment', 're-enrolment', 'renewal')),
  csr_sha256 text NOT NULL,
  state text NOT NULL DEFAULT 'open' CHECK (state IN ('open', 'registered', 'failed')),
  serial text,
  reason text,
  started_at timestamptz NOT NULL DEFAULT now(),
  ended_at timestamptz,
  CHECK ((state = 'open') = (ended_at IS NULL)),
  FOREIGN KEY (tenant_id, grant_id) REFERENCES federation_grants (tenant_id, id)
);
CREATE UNIQUE INDEX federation_issuance_open ON federation_issuance (grant_id) WHERE state = 'open';
CREATE INDEX federation_issuance_grant ON federation_issuance (grant_id, started_at DESC);

CREATE TABLE federation_revocation_outbox (
  serial text PRIMARY KEY CHECK (serial ~ '^[1-9a-f][0-9a-f]{0,39}$'),
  tenant_id uuid NOT NULL,
  grant_id uuid NOT NULL,
  state text NOT NULL DEFAULT 'queued' CHECK (state IN ('queued', 'revoked', 'effective')),
  reason text NOT NULL,
  attempts integer NOT NULL DEFAULT 0,
  next_at timestamptz NOT NULL DEFAULT now(),
  last_failure text,
  created_at timestamptz NOT NULL DEFAULT now(),
  revoked_at timestamptz,
  effective_at timestamptz,
  FOREIGN KEY (tenant_id, grant_id) REFERENCES federation_grants (tenant_id, id)
);
CREATE INDEX federation_revocation_outbox_due ON federation_revocation_outbox (next_at) WHERE state = 'queued';
CREATE INDEX federation_revocation_outbox_grant ON federation_revocation_outbox (grant_id);

CREATE TABLE admin_tokens (
  id uuid PRIMARY KEY,
  tenant_id uuid REFERENCES tenants,
  role text NOT NULL CHECK (role IN ('operator', 'tenant')),
  name text NOT NULL,
  token_sha256 text NOT NULL UNIQUE CHECK (token_sha256 ~ '^[0-9a-f]{64}$'),
  created_at timestamptz NOT NULL DEFAULT now(),
  expires_at timestamptz,
  withdrawn_at timestamptz,
  CHECK ((role = 'operator') = (tenant_id IS NULL))
);

CREATE TABLE user_tokens (
  id uuid PRIMARY KEY,
  tenant_id uuid NOT NULL,
  user_id uuid NOT NULL,
  token_sha256 text NOT NULL UNIQUE CHECK (token_sha256 ~ '^[0-9a-f]{64}$'),
  created_at timestamptz NOT NULL DEFAULT now(),
  expires_at timestamptz,
  withdrawn_at timestamptz,
  FOREIGN KEY (tenant_id, user_id) REFERENCES users (tenant_id, id)
);

GRANT SELECT, INSERT, UPDATE ON federation_enrollment_tokens, federation_certificates, federation_issuance,
  federation_revocation_outbox, admin_tokens, user_tokens TO gateway_app;
`
