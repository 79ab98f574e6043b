{ topology, kinds, each }:
topology {
  name = "transit";
  summary = "A row of nodes, each peering with its neighbours only; routes and withdrawals travel through those between.";

  parameters = {
    auth = {
      default = "separate";
      oneOf = [ "separate" "shared" ];
      shape = true;
      summary = "Whether every node has a CA and an auth server of its own, or all share one.";
    };
    hops = { default = 3; min = 3; max = 12; summary = "How many orchestrators stand in the row."; };
    validation = { default = "both"; oneOf = [ "jwks" "introspection" "both" ]; summary = "How orchestrators validate tokens."; };
    renewal = { default = "off"; oneOf = [ "off" "on" ]; summary = "Whether orchestrators renew their certificates."; };
    holdTime = { default = null; duration = true; summary = "Hold time of sessions; without it 90s."; };
    certificateLifetime = { default = "10m"; duration = true; summary = "Lifetime of certificates of auth servers and operators."; };
    nodeCertificateLifetime = { default = "10m"; duration = true; summary = "Lifetime of certificates of orchestrators."; };
    tokenLifetime = { default = null; duration = true; summary = "Lifetime of every token; without it 1h for node tokens, 15m for peer tokens."; };
  };

  value = { auth, hops, validation, renewal, holdTime, certificateLifetime, nodeCertificateLifetime, tokenLifetime }:
    let
      all = each hops;
      at = builtins.elemAt all;
      indexes = builtins.genList (index: index) hops;
      host = name: "${name}.somebiz.local.io";
      attrs = list: f: builtins.listToAttrs (map f list);
      merge = builtins.foldl' (a: b: a // b) { };
      optional = condition: value: if condition then [ value ] else [ ];

      neighbours = index: optional (index > 0) (index - 1) ++ optional (index + 1 < hops) (index + 1);
      routes = first: count: builtins.genList (i: "${at (first + i)}.test") count;
      # What lies behind `other`, seen from `index`: routes of that side come through it. A longer row adds at the end.
      behind = index: other: if other < index then routes 0 index else routes other (hops - other);

      accept = target: action: credential: { inherit target action credential; };
      readsItself = node: [ (accept node "node:read" node) (accept node "node:routes" node) ];

      certificate = issuer: holder: {
        kind = "certificate"; inherit issuer holder; lifetime = certificateLifetime;
        handover = "enrol";
      };
      ofNode = { lifetime = nodeCertificateLifetime; };
      token = { kind = "bound-token"; lifetime = tokenLifetime; handover = "mint"; };
      orchestrator = { authServer, operator, index, peer }: kinds.orchestrator {
        auth = authServer;
        operators = [ operator ];
        session = { inherit holdTime; };
        inherit validation renewal;
        peers = attrs (neighbours index) (other: {
          name = "node-${at other}";
          value = { domains = behind index other; } // peer other;
        });
      };

      separate =
        let
          operator = org: host "operator.org-${org}";
          organisation = index:
            let org = at index; in {
              "ca-${org}" = { host = host "ca-${org}"; domain = "org-${org}"; units.ca = kinds.step-ca { }; };
              "auth-${org}" = {
                host = host "auth-${org}";
                domain = "org-${org}";
                units.auth = kinds.auth-server { operators = [ (operator org) ]; };
              };
              "node-${org}" = {
                host = host "node-${org}";
                domain = "org-${org}";
                units.orchestrator = orchestrator {
                  authServer = "auth-${org}";
                  operator = operator org; inherit index;
                  peer = other: { token = "peer-${org}-to-${at other}"; trustDomain = "org-${at other}"; };
                };
              };
            };
          credentials = index:
            let org = at index; in {
              "cert-auth-${org}" = certificate "ca-${org}" "auth-${org}";
              "cert-node-${org}" = certificate "ca-${org}" "node-${org}" // ofNode;
              "operator-${org}" = certificate "ca-${org}" "auth-${org}" // { subject = operator org; };
              "node-${org}" = token // {
                issuer = "auth-${org}";
                subject = "node-${org}";
                holder = "node-${org}";
                audience = [ "node-${org}" ];
                scope = [ "node:read" "node:routes" ];
              };
            } // attrs (neighbours index) (other: {
              # A neighbour is also told what lies on our other side.
              name = "peer-${org}-to-${at other}";
              value = token // {
                issuer = "auth-${at other}";
                subject = "node-${org}";
                holder = "node-${org}";
                audience = [ "node-${at other}" ];
                scope = [ "peer:connect" "peer:announce" ];
                domains = behind other index;
              };
            });
          accepts = index:
            let
              self = at index;
              before = at (index - 1);
            in
            readsItself "node-${self}" ++ (if index == 0 then [ ] else [
              (accept "node-${before}" "peering:connect" "peer-${self}-to-${before}")
              (accept "node-${self}" "peering:connect" "peer-${before}-to-${self}")
            ]);
        in
        {
          trustDomains = attrs all (org: { name = "org-${org}"; value = { ca = "ca-${org}"; issuer = "auth-${org}"; }; });
          nodes = merge (map organisation indexes);
          credentials = merge (map credentials indexes);
          accepts = builtins.concatLists (map accepts indexes);
        };

      shared =
        let
          operator = host "operator";
          accepts = index:
            let
              self = "node-${at index}";
              before = "node-${at (index - 1)}";
            in
            readsItself self
            ++ (if index == 0 then [ ] else [ (accept before "peering:connect" self) (accept self "peering:connect" before) ]);
        in
        {
          trustDomains.somebiz = { ca = "ca"; issuer = "auth"; peeringAudience = "https://peering.somebiz.local.io"; };
          nodes = {
            ca = { host = host "ca"; domain = "somebiz"; units.ca = kinds.step-ca { }; };
            auth = { host = host "auth"; domain = "somebiz"; units.auth = kinds.auth-server { operators = [ operator ]; }; };
          } // attrs indexes (index: {
            name = "node-${at index}";
            value = {
              host = host "node-${at index}";
              domain = "somebiz";
              units.orchestrator = orchestrator { authServer = "auth"; inherit operator index; peer = _: { }; };
            };
          });
          credentials = {
            cert-auth = certificate "ca" "auth";
            operator = certificate "ca" "auth" // { subject = operator; };
          } // attrs all (letter: { name = "cert-node-${letter}"; value = certificate "ca" "node-${letter}" // ofNode; })
          // attrs all (letter: {
            name = "node-${letter}";
            # One token for all neighbours: its holder vouches for the whole row, and what each neighbour takes from it is
            # in that neighbour's own record of it.
            value = token // {
              issuer = "auth";
              subject = "node-${letter}";
              holder = "node-${letter}";
              audience = [ "node-${letter}" "peering@somebiz" ];
              scope = [ "node:read" "node:routes" "peer:connect" "peer:announce" ];
              domains = routes 0 hops;
            };
          });
          accepts = builtins.concatLists (map accepts indexes);
        };
    in
    if auth == "shared" then shared else separate;
}
