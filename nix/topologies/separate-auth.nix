{ topology, kinds, each }:
topology {
  name = "separate-auth";
  summary = "Organisations that each have their own CA and auth server; peering needs explicit peer tokens.";

  parameters = {
    orgs = { default = 2; min = 2; max = 12; summary = "How many organisations, every one peering with every other."; };
    validation = { default = "both"; oneOf = [ "jwks" "introspection" "both" ]; summary = "How orchestrators validate tokens."; };
    certificateLifetime = { default = "10m"; duration = true; summary = "Lifetime of every certificate."; };
    tokenLifetime = { default = null; duration = true; summary = "Lifetime of every token; without it 1h for node tokens, 15m for peer tokens."; };
  };

  value = { orgs, validation, certificateLifetime, tokenLifetime }:
    let
      all = each orgs;
      others = self: builtins.filter (other: other != self) all;
      host = name: "${name}.somebiz.local.io";
      routes = org: "${org}.test";
      attrs = list: f: builtins.listToAttrs (map f list);
      merge = builtins.foldl' (a: b: a // b) { };

      nodes = org: {
        "ca-${org}" = { host = host "ca-${org}"; domain = "org-${org}"; units.ca = kinds.step-ca { }; };
        "auth-${org}" = {
          host = host "auth-${org}";
          domain = "org-${org}";
          units.auth = kinds.auth-server { operators = [ (host "operator.org-${org}") ]; };
        };
        "node-${org}" = {
          host = host "node-${org}";
          domain = "org-${org}";
          units.orchestrator = kinds.orchestrator {
            auth = "auth-${org}";
            operators = [ (host "operator.org-${org}") ];
            inherit validation;
            peers = attrs (others org) (other: {
              name = "node-${other}";
              value = { token = "peer-${org}-to-${other}"; domains = [ (routes other) ]; trustDomain = "org-${other}"; };
            });
          };
        };
      };

      certificate = org: holder: {
        kind = "certificate";
        issuer = "ca-${org}"; inherit holder; lifetime = certificateLifetime;
        handover = "enrol";
      };
      token = {
        kind = "bound-token";
        lifetime = tokenLifetime;
        handover = "mint";
      };

      credentials = org: {
        "cert-auth-${org}" = certificate org "auth-${org}";
        "cert-node-${org}" = certificate org "node-${org}";
        "operator-${org}" = certificate org "auth-${org}" // { subject = host "operator.org-${org}"; };
        # Org-A's own token for its own node, minted by its own auth server: good at home, nowhere else.
        "node-${org}" = token // {
          issuer = "auth-${org}";
          subject = "node-${org}";
          holder = "node-${org}";
          audience = [ "node-${org}" ];
          scope = [ "node:read" "node:routes" ];
        };
      } // attrs (others org) (other: {
        # What this organisation presents to the other one is minted over there.
        name = "peer-${org}-to-${other}";
        value = token // {
          issuer = "auth-${other}";
          subject = "node-${org}";
          holder = "node-${org}";
          audience = [ "node-${other}" ];
          scope = [ "peer:connect" "peer:announce" ];
          domains = [ (routes org) ];
        };
      });

      accept = target: action: credential: { inherit target action credential; };
      # Entries of a later organisation come last, so that a larger count only adds to the list.
      accepts = index:
        let
          org = builtins.elemAt all index;
          earlier = builtins.genList (builtins.elemAt all) index;
        in
        [ (accept "node-${org}" "node:read" "node-${org}") (accept "node-${org}" "node:routes" "node-${org}") ]
        ++ builtins.concatLists (map
          (other: [
            (accept "node-${other}" "peering:connect" "peer-${org}-to-${other}")
            (accept "node-${org}" "peering:connect" "peer-${other}-to-${org}")
          ])
          earlier);
    in
    {
      trustDomains = attrs all (org: { name = "org-${org}"; value = { ca = "ca-${org}"; issuer = "auth-${org}"; }; });
      nodes = merge (map nodes all);
      credentials = merge (map credentials all);
      accepts = builtins.concatLists (builtins.genList accepts orgs);
    };
}
