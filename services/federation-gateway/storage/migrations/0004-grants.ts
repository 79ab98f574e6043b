/**
 * What is lent to whom. Two rules hold here whoever writes: an end of a grant is final, and every change that askers must learn of
 * adds one to its epoch. Several grants are locked in the order of their ids, so that nobody waits in a circle. Nowhere is a row locked
 * FOR UPDATE: whoever writes one twice has its foreign keys checked, and would wait for that.
 */
export const sql = `
CREATE TYPE grant_status AS ENUM ('pending', 'active', 'revoked', 'expired');
CREATE TYPE peer_state AS ENUM ('pending', 'active', 'degraded', 'expired', 'revoked', 'broken');

CREATE TABLE federation_peers (
  id uuid PRIMARY KEY,
  tenant_id uuid NOT NULL REFERENCES tenants,
  direction text NOT NULL CHECK (direction IN ('inbound', 'outbound')),
  common_name text NOT NULL,
  state peer_state NOT NULL DEFAULT 'pending',
  state_reason text,
  owner_user_id uuid,
  enrollment_url text,
  federation_url text,
  ca_pem text,
  remote_grant_id uuid,
  remote_subject_user_id uuid,
  created_at timestamptz NOT NULL DEFAULT now(),
  changed_at timestamptz NOT NULL DEFAULT now(),
  last_success_at timestamptz,
  last_failure_at timestamptz,
  last_failure_reason text,
  UNIQUE (tenant_id, id),
  FOREIGN KEY (tenant_id, owner_user_id) REFERENCES users (tenant_id, id),
  CHECK ((direction = 'outbound') = (owner_user_id IS NOT NULL)),
  CHECK (direction = 'outbound' OR state IN ('pending', 'active', 'revoked'))
);
CREATE UNIQUE INDEX federation_peers_inbound ON federation_peers (tenant_id, common_name)
  WHERE direction = 'inbound' AND state <> 'revoked';
CREATE UNIQUE INDEX federation_peers_outbound ON federation_peers (tenant_id, owner_user_id, common_name)
  WHERE direction = 'outbound' AND state IN ('pending', 'active', 'degraded');
CREATE INDEX federation_peers_newest ON federation_peers (tenant_id, created_at DESC, id DESC);
CREATE INDEX federation_peers_owner ON federation_peers (owner_user_id);

CREATE TABLE federation_peer_credentials (
  id uuid PRIMARY KEY,
  tenant_id uuid NOT NULL,
  peer_id uuid NOT NULL,
  slot text NOT NULL CHECK (slot IN ('pending', 'current', 'previous')),
  sealed_key text NOT NULL,
  csr_pem text NOT NULL,
  cert_pem text,
  chain_pem text,
  serial text,
  not_after timestamptz,
  created_at timestamptz NOT NULL DEFAULT now(),
  UNIQUE (peer_id, slot),
  CHECK (slot = 'pending' OR (cert_pem IS NOT NULL AND serial IS NOT NULL AND not_after IS NOT NULL)),
  FOREIGN KEY (tenant_id, peer_id) REFERENCES federation_peers (tenant_id, id) ON DELETE CASCADE
);

CREATE TABLE federation_grants (
  id uuid PRIMARY KEY,
  tenant_id uuid NOT NULL,
  peer_id uuid NOT NULL,
  subject_user_id uuid NOT NULL,
  scope jsonb NOT NULL,
  status grant_status NOT NULL DEFAULT 'pending',
  epoch bigint NOT NULL DEFAULT 1,
  rate_limit integer NOT NULL DEFAULT 60 CHECK (rate_limit BETWEEN 1 AND 6000),
  expires_at timestamptz,
  created_at timestamptz NOT NULL DEFAULT now(),
  activated_at timestamptz,
  ended_at timestamptz,
  end_reason text,
  UNIQUE (tenant_id, id),
  UNIQUE (tenant_id, id, peer_id),
  FOREIGN KEY (tenant_id, peer_id) REFERENCES federation_peers (tenant_id, id),
  FOREIGN KEY (tenant_id, subject_user_id) REFERENCES users (tenant_id, id)
);
CREATE INDEX federation_grants_newest ON federation_grants (tenant_id, created_at DESC, id DESC);
CREATE INDEX federation_grants_peer ON federation_grants (peer_id);
CREATE INDEX federation_grants_subject ON federation_grants (subject_user_id);
CREATE INDEX federation_grants_ending ON federation_grants (expires_at) WHERE status IN ('pending', 'active');

CREATE FUNCTION federation_grant_moves() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF OLD.status IN ('revoked', 'expired') AND NEW.status <> OLD.status THEN
    RAISE EXCEPTION 'grant % has ended and stays so', OLD.id USING ERRCODE = 'check_violation';
  END IF;
  IF NEW.status = 'pending' AND OLD.status <> 'pending' THEN
    RAISE EXCEPTION 'grant % does not become pending again', OLD.id USING ERRCODE = 'check_violation';
  END IF;
  IF NEW.status <> OLD.status OR NEW.scope <> OLD.scope THEN
    NEW.epoch := OLD.epoch + 1;
  ELSIF NEW.epoch < OLD.epoch THEN
    RAISE EXCEPTION 'the epoch of grant % does not fall', OLD.id USING ERRCODE = 'check_violation';
  END IF;
  RETURN NEW;
END
$$;
CREATE TRIGGER federation_grant_moves BEFORE UPDATE ON federation_grants
  FOR EACH ROW EXECUTE FUNCTION federation_grant_moves();

CREATE FUNCTION federation_rights_changed(subject uuid) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
  PERFORM FROM federation_grants
    WHERE subject_user_id = subject AND status IN ('pending', 'active') ORDER BY id FOR NO KEY UPDATE;
  UPDATE federation_grants SET epoch = epoch + 1
    WHERE subject_user_id = subject AND status IN ('pending', 'active');
END
$$;

CREATE FUNCTION federation_user_changed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  PERFORM federation_rights_changed(NEW.id);
  RETURN NULL;
END
$$;
CREATE TRIGGER federation_user_changed AFTER UPDATE ON users FOR EACH ROW
  WHEN ((OLD.share_personal, OLD.denied_resources, OLD.disabled_at, OLD.deleted_at)
    IS DISTINCT FROM (NEW.share_personal, NEW.denied_resources, NEW.disabled_at, NEW.deleted_at))
  EXECUTE FUNCTION federation_user_changed();

CREATE FUNCTION federation_membership_changed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF TG_OP <> 'INSERT' THEN
    PERFORM federation_rights_changed(OLD.user_id);
  END IF;
  IF TG_OP = 'INSERT' OR (TG_OP = 'UPDATE' AND NEW.user_id <> OLD.user_id) THEN
    PERFORM federation_rights_changed(NEW.user_id);
  END IF;
  RETURN NULL;
END
$$;
CREATE TRIGGER federation_membership_changed AFTER INSERT OR UPDATE OR DELETE ON team_members
  FOR EACH ROW EXECUTE FUNCTION federation_membership_changed();

GRANT SELECT, INSERT, UPDATE, DELETE ON federation_peers, federation_peer_credentials TO gateway_app;
GRANT SELECT, INSERT, UPDATE ON federation_grants TO gateway_app;
`
