/** Rows that are lent. The secret of a credential can be written by the gateway, and not be read. */
export const sql = `
CREATE TABLE tasks (
  id uuid PRIMARY KEY,
  tenant_id uuid NOT NULL,
  owner_id uuid NOT NULL,
  team_id uuid,
  title text NOT NULL,
  body text NOT NULL DEFAULT '',
  status text NOT NULL DEFAULT 'open' CHECK (status IN ('open', 'doing', 'done')),
  created_at timestamptz NOT NULL DEFAULT now(),
  updated_at timestamptz NOT NULL DEFAULT now(),
  search tsvector NOT NULL GENERATED ALWAYS AS (to_tsvector('simple'::regconfig, title || ' ' || body)) STORED,
  FOREIGN KEY (tenant_id, owner_id) REFERENCES users (tenant_id, id),
  FOREIGN KEY (tenant_id, team_id) REFERENCES teams (tenant_id, id)
);

CREATE TABLE notes (
  id uuid PRIMARY KEY,
  tenant_id uuid NOT NULL,
  owner_id uuid NOT NULL,
  team_id uuid,
  title text NOT NULL,
  body text NOT NULL DEFAULT '',
  created_at timestamptz NOT NULL DEFAULT now(),
  updated_at timestamptz NOT NULL DEFAULT now(),
  search tsvector NOT NULL GENERATED ALWAYS AS (to_tsvector('simple'::regconfig, title || ' ' || body)) STORED,
  FOREIGN KEY (tenant_id, owner_id) REFERENCES users (tenant_id, id),
  FOREIGN KEY (tenant_id, team_id) REFERENCES teams (tenant_id, id)
);

CREATE TABLE memory (
  id uuid PRIMARY KEY,
  tenant_id uuid NOT NULL,
  owner_id uuid NOT NULL,
  text text NOT NULL,
  created_at timestamptz NOT NULL DEFAULT now(),
  search tsvector NOT NULL GENERATED ALWAYS AS (to_tsvector('simple'::regconfig, text)) STORED,
  FOREIGN KEY (tenant_id, owner_id) REFERENCES users (tenant_id, id)
);

CREATE TABLE credentials (
  id uuid PRIMARY KEY,
  tenant_id uuid NOT NULL,
  owner_id uuid NOT NULL,
  team_id uuid,
  name text NOT NULL,
  kind text NOT NULL,
  secret text NOT NULL,
  created_at timestamptz NOT NULL DEFAULT now(),
  search tsvector NOT NULL GENERATED ALWAYS AS (to_tsvector('simple'::regconfig, name)) STORED,
  FOREIGN KEY (tenant_id, owner_id) REFERENCES users (tenant_id, id),
  FOREIGN KEY (tenant_id, team_id) REFERENCES teams (tenant_id, id)
);

DO $$
DECLARE
  lent text;
BEGIN
  FOREACH lent IN ARRAY ARRAY['tasks', 'notes', 'memory', 'credentials', 'teams', 'users'] LOOP
    EXECUTE format('CREATE INDEX %I ON %I (tenant_id, created_at DESC, id DESC)', lent || '_newest', lent);
    EXECUTE format('CREATE INDEX %I ON %I USING gin (search)', lent || '_search', lent);
  END LOOP;
  FOREACH lent IN ARRAY ARRAY['tasks', 'notes', 'memory', 'credentials'] LOOP
    EXECUTE format('CREATE INDEX %I ON %I (owner_id, created_at DESC, id DESC)', lent || '_owner', lent);
  END LOOP;
  FOREACH lent IN ARRAY ARRAY['tasks', 'notes', 'credentials'] LOOP
    EXECUTE format('CREATE INDEX %I ON %I (team_id, created_at DESC, id DESC)', lent || '_team', lent);
  END LOOP;
END
$$;

GRANT SELECT, INSERT, UPDATE, DELETE ON tasks, notes, memory TO gateway_app;
GRANT SELECT (id, tenant_id, owner_id, team_id, name, kind, created_at, search), INSERT, UPDATE, DELETE
  ON credentials TO gateway_app;
`
