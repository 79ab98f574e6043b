{ topology, kinds, each }:
topology {
  name = "federation";
  summary = "Gateways with a database each and a step-ca; B lends scoped rows to A over mutual TLS.";

  parameters = {
    askers = { default = 1; min = 1; max = 16; summary = "How many gateways ask B: A, then C, D and so on."; };
    caPerGateway = { default = false; shape = true; summary = "Whether each gateway has a CA of its own, under a root of its own."; };
    leafSeconds = { default = 300; min = 30; max = 900; fills = true; summary = "Life in seconds of the certificates with which gateways ask."; };
    overlapSeconds = { default = 60; min = 0; max = 600; fills = true; summary = "For how many seconds such a certificate is good once its successor was used."; };
    certificateLifetime = { default = "48h"; duration = true; summary = "Lifetime of every server certificate."; };
  };

  value = { askers, caPerGateway, leafSeconds, overlapSeconds, certificateLifetime }:
    let
      all = each (askers + 1);
      host = name: "${name}.somebiz.local.io";
      attrs = list: f: builtins.listToAttrs (map f list);
      merge = builtins.foldl' (a: b: a // b) { };
      read = file: builtins.fromJSON (builtins.readFile file);

      seed-b = read ./federation/seed-b.json;
      acme = builtins.head seed-b.tenants;
      team = n: (builtins.elemAt acme.teams n).id;
      t1 = team 0;
      t2 = team 1;
      # The first row of a resource for which that holds.
      row = resource: is: (builtins.head (builtins.filter is acme.${resource})).id;
      isOf = user: one: (one.owner or null) == (builtins.head (builtins.filter ({ name, ... }: name == user) acme.users)).id && !(one ? team);
      isIn = id: one: (one.team or null) == id;

      resources = [ "tasks" "notes" "memory" "credentials" "teams" "users" ];
      scopes = {
        scope-a = { resources = [ "tasks" "notes" ]; };
        scope-b = {
          resources = [ "tasks" ];
          filters.tasks = { include_teams = [ t1 ]; include_personal = false; };
        };
        scope-c = { resources = [ "tasks" "credentials" ]; excluded_resources = [ "credentials" ]; };
        scope-all = { inherit resources; };
      };
      rows = {
        tasks = { of-alice = row "tasks" (isOf "alice"); of-t1 = row "tasks" (isIn t1); };
        notes.of-t2 = row "notes" (isIn t2);
        memory.of-alice = row "memory" (isOf "alice");
        credentials.of-t2 = row "credentials" (isIn t2);
        teams = { inherit t1; };
        users.bob = row "users" ({ name, ... }: name == "bob");
      };

      domainOf = letter: if caPerGateway then "org-${letter}" else "somebiz";
      caOf = letter: if caPerGateway then "ca-${letter}" else "ca";
      keyOf = letter: if caPerGateway then "fed-provisioner-${letter}" else "fed-provisioner";

      # Names in certificates of peers come from the one-time token, never from their CSR: that is what the template is for.
      ca = letter: {
        name = caOf letter;
        value = {
          host = host (caOf letter);
          domain = domainOf letter;
          networks = [ "fed" ];
          units.ca = kinds.step-ca {
            maximumLifetime = "72h";
            # For verifiers whose clocks are behind.
            backdate = "60s";
            provisioners = {
              mosaic-fed = {
                type = "JWK";
                template.text = builtins.readFile ./federation/federation.tpl;
                claims = {
                  minTLSCertDuration = "30s";
                  defaultTLSCertDuration = "5m";
                  maxTLSCertDuration = "15m";
                  disableRenewal = true;
                };
              };
              # The certificate of a gateway never serves as that of a peer.
              gateway-server = { type = "JWK"; usages = [ "serverAuth" ]; };
            };
            crl = { enabled = true; generateOnRevoke = true; cacheDuration = "1h"; renewPeriod = "20m"; };
          };
        };
      };

      gateway = letter: {
        "db-${letter}" = {
          host = host "db-${letter}";
          domain = domainOf letter;
          networks = [ "data-${letter}" ];
          units.db = kinds.postgres { database = "gateway"; };
        };
        "gateway-${letter}" = {
          host = host "gateway-${letter}";
          domain = domainOf letter;
          networks = [ "fed" "data-${letter}" ];
          units.gateway = kinds.federation-gateway ({
            tier = "federated";
            database = "db-${letter}";
            ca = caOf letter;
            provisioner = keyOf letter;
            inherit leafSeconds overlapSeconds;
            import = if letter == "b" then seed-b else read ./federation/seed-a.json;
          }
          // (if letter == "b" then { inherit scopes rows; invites = [ "scope-a" ]; } else { })
          // (if letter == "a" then { federates.scope-a = "alice"; } else { }));
        };
      };

      key = issuer: holders: {
        kind = "jwk";
        issuer = "${issuer}/mosaic-fed"; inherit holders;
        handover = "copy";
      };
      certificate = letter: {
        name = "gateway-${letter}-tls";
        value = {
          kind = "certificate";
          issuer = "${caOf letter}/gateway-server";
          holder = "gateway-${letter}";
          lifetime = certificateLifetime;
          handover = "enrol";
        };
      };

      # To all of them B lends as alice; from erin notes were taken away, whatever her scope says.
      grant = subject: scope: {
        kind = "federation-grant";
        issuer = "gateway-b";
        inherit subject scope;
        holder = "gateway-a";
        handover = "mint";
      };
      grants = builtins.mapAttrs (scope: _: grant "alice" scope) scopes // { scope-erin = grant "erin" "scope-a"; };
      invitation = grant "alice" "scope-a" // { kind = "enrolment-token"; };
      # What is lent of each resource as a whole, and of single rows.
      lent = {
        tasks = builtins.attrNames grants;
        notes = [ "scope-a" "scope-all" ];
      };
      ofRows = {
        "tasks/of-alice" = [ "scope-a" "scope-c" "scope-all" ];
        "tasks/of-t1" = [ "scope-a" "scope-b" "scope-c" "scope-all" ];
        "notes/of-t2" = lent.notes;
      };
      everythingAlone = [ "scope-all" ];
      accept = action: credential: { target = "gateway-b"; action = "federation:${action}"; inherit credential; };
      rowNames = builtins.concatMap (resource: map (name: "${resource}/${name}") (builtins.attrNames rows.${resource})) (builtins.attrNames rows);
    in
    {
      trustDomains = attrs (if caPerGateway then all else [ "a" ]) (letter: { name = domainOf letter; value.ca = caOf letter; });
      networks = { fed = { }; } // attrs all (letter: { name = "data-${letter}"; value = { }; });
      nodes = attrs (if caPerGateway then all else [ "a" ]) ca // merge (map gateway all);
      credentials = attrs all certificate // grants // { inherit invitation; }
        // (if caPerGateway
      then attrs all (letter: { name = keyOf letter; value = key (caOf letter) [ "gateway-${letter}" ]; })
      else { fed-provisioner = key "ca" (map (letter: "gateway-${letter}") all); });
      accepts = [
        (accept "capabilities" (builtins.attrNames grants))
        { target = "gateway-b"; action = "enrolment:redeem"; credential = "invitation"; }
      ]
        ++ builtins.concatMap
        (resource: map (verb: accept "${verb}/${resource}" (lent.${resource} or everythingAlone)) [ "list" "search" ])
        resources
        ++ map (name: accept "get/${name}" (ofRows.${name} or everythingAlone)) rowNames;
    };
}
