/** Keys of a row are those of its tenant and its own together: what is of one tenant cannot be put under another. */
export const sql = `
CREATE TABLE tenants (
  id uuid PRIMARY KEY,
  name text NOT NULL UNIQUE,
  created_at timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE users (
  id uuid PRIMARY KEY,
  tenant_id uuid NOT NULL REFERENCES tenants,
  name text NOT NULL,
  display_name text NOT NULL,
  email text,
  denied_resources text[] NOT NULL DEFAULT '{}'
    CHECK (denied_resources <@ ARRAY['tasks', 'notes', 'memory', 'credentials', 'teams', 'users']),
  share_personal boolean NOT NULL DEFAULT true,
  disabled_at timestamptz,
  deleted_at timestamptz,
  created_at timestamptz NOT NULL DEFAULT now(),
  search tsvector NOT NULL GENERATED ALWAYS AS (to_tsvector('simple'::regconfig, display_name)) STORED,
  UNIQUE (tenant_id, id)
);
CREATE UNIQUE INDEX users_name ON users (tenant_id, name) WHERE deleted_at IS NULL;

CREATE TABLE teams (
  id uuid PRIMARY KEY,
  tenant_id uuid NOT NULL REFERENCES tenants,
  name text NOT NULL,
  created_at timestamptz NOT NULL DEFAULT now(),
  search tsvector NOT NULL GENERATED ALWAYS AS (to_tsvector('simple'::regconfig, name)) STORED,
  UNIQUE (tenant_id, id),
  UNIQUE (tenant_id, name)
);

CREATE TABLE team_members (
  tenant_id uuid NOT NULL,
  team_id uuid NOT NULL,
  user_id uuid NOT NULL,
  role text NOT NULL CHECK (role IN ('viewer', 'member', 'maintainer')),
  PRIMARY KEY (team_id, user_id),
  FOREIGN KEY (tenant_id, team_id) REFERENCES teams (tenant_id, id) ON DELETE CASCADE,
  FOREIGN KEY (tenant_id, user_id) REFERENCES users (tenant_id, id) ON DELETE CASCADE
);
CREATE INDEX team_members_user ON team_members (user_id, team_id);

GRANT SELECT ON tenants TO gateway_app;
GRANT SELECT, INSERT, UPDATE ON users TO gateway_app;
GRANT SELECT, INSERT, UPDATE, DELETE ON teams, team_members TO gateway_app;
`
