{ topology, kinds, each }:
topology {
  name = "shared-auth";
  summary = "One organisation with one CA and one auth server; node tokens serve for peering too.";

  parameters = {
    nodes = { default = 2; min = 2; max = 50; summary = "How many orchestrators, every one peering with every other."; };
    validation = { default = "both"; oneOf = [ "jwks" "introspection" "both" ]; summary = "How orchestrators validate tokens."; };
    certificateLifetime = { default = "10m"; duration = true; summary = "Lifetime of every certificate."; };
    tokenLifetime = { default = null; duration = true; summary = "Lifetime of every token; without it 1h."; };
  };

  value = { nodes, validation, certificateLifetime, tokenLifetime }:
    let
      all = each nodes;
      others = self: builtins.filter (other: other != self) all;
      host = name: "${name}.somebiz.local.io";
      routes = letter: "${letter}.test";
      attrs = list: f: builtins.listToAttrs (map f list);
      operator = host "operator";

      certificate = holder: {
        kind = "certificate";
        issuer = "ca"; inherit holder; lifetime = certificateLifetime;
        handover = "enrol";
      };

      accept = target: action: credential: { inherit target action credential; };
      # Entries of a later node come last, so that a larger count only adds to the list.
      accepts = index:
        let
          node = "node-${builtins.elemAt all index}";
          earlier = builtins.genList (i: "node-${builtins.elemAt all i}") index;
        in
        [ (accept node "node:read" node) (accept node "node:routes" node) ]
        ++ (if index == 0 then [ ] else [ (accept earlier "peering:connect" node) (accept node "peering:connect" earlier) ]);
    in
    {
      trustDomains.somebiz = { ca = "ca"; issuer = "auth"; peeringAudience = "https://peering.somebiz.local.io"; };

      nodes = {
        ca = { host = host "ca"; domain = "somebiz"; units.ca = kinds.step-ca { }; };
        auth = { host = host "auth"; domain = "somebiz"; units.auth = kinds.auth-server { operators = [ operator ]; }; };
      } // attrs all (letter: {
        name = "node-${letter}";
        value = {
          host = host "node-${letter}";
          domain = "somebiz";
          units.orchestrator = kinds.orchestrator {
            auth = "auth";
            operators = [ operator ];
            inherit validation;
            # No token of its own for a peer: the node token is presented, since the domain has a peering audience.
            peers = attrs (others letter) (other: { name = "node-${other}"; value.domains = [ (routes other) ]; });
          };
        };
      });

      credentials = {
        cert-auth = certificate "auth";
        operator = certificate "auth" // { subject = operator; };
      } // attrs all (letter: { name = "cert-node-${letter}"; value = certificate "node-${letter}"; })
      // attrs all (letter: {
        name = "node-${letter}";
        value = {
          kind = "bound-token";
          issuer = "auth";
          subject = "node-${letter}";
          holder = "node-${letter}";
          audience = [ "node-${letter}" "peering@somebiz" ];
          scope = [ "node:read" "node:routes" "peer:connect" "peer:announce" ];
          domains = [ (routes letter) ];
          lifetime = tokenLifetime;
          handover = "mint";
        };
      });

      accepts = builtins.concatLists (builtins.genList accepts nodes);
    };
}
