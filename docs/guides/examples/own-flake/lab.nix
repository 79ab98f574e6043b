{ topology, kinds, ... }:
topology {
  name = "lab";
  summary = "One CA, one auth server, and two nodes that peer with their own tokens.";

  value = {}:
    let
      host = name: "${name}.lab.test";
      operator = host "operator";
      certificate = holder: { kind = "certificate"; issuer = "ca"; inherit holder; lifetime = "10m"; handover = "enrol"; };
      token = name: {
        kind = "bound-token";
        issuer = "auth";
        subject = name;
        holder = name;
        handover = "mint";
        audience = [ name "peering@lab" ];
        scope = [ "node:read" "node:routes" "peer:connect" "peer:announce" ];
        domains = [ "${name}.test" ];
      };
      node = name: other: {
        host = host name;
        domain = "lab";
        units.orchestrator = kinds.orchestrator {
          auth = "auth";
          operators = [ operator ];
          validation = "jwks";
          peers.${other}.domains = [ "${other}.test" ];
        };
      };
      reads = name: { target = name; action = "node:read"; credential = name; };
    in
    {
      trustDomains.lab = { ca = "ca"; issuer = "auth"; peeringAudience = "https://peering.lab.test"; };
      nodes = {
        ca = { host = host "ca"; domain = "lab"; units.ca = kinds.step-ca { }; };
        auth = { host = host "auth"; domain = "lab"; units.auth = kinds.auth-server { operators = [ operator ]; }; };
        left = node "left" "right";
        right = node "right" "left";
      };
      credentials = {
        cert-auth = certificate "auth";
        cert-left = certificate "left";
        cert-right = certificate "right";
        operator = certificate "auth" // { subject = operator; };
        left = token "left";
        right = token "right";
      };
      accepts = [
        (reads "left")
        (reads "right")
        { target = "left"; action = "peering:connect"; credential = "right"; }
        { target = "right"; action = "peering:connect"; credential = "left"; }
      ];
    };
}
