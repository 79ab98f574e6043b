{ topology, kinds, ... }:
topology {
  name = "bearer-cluster";
  summary = "Orchestrators that share one bearer token; orc-3 is behind nginx, through which its peers call it.";

  parameters = {
    orchestrators = { default = 3; min = 1; max = 50; summary = "How many: one, or three and more. Of two, none could be missing."; };
    edge = {
      default = "forward";
      oneOf = [ "forward" "plain" "strip" "no-headers" "cache" "constant" ];
      summary = "What nginx makes of `Authorization`; `constant` is refused.";
    };
    readAccess = { default = "open"; oneOf = [ "open" "token" ]; summary = "Who may read."; };
    tls = { default = true; shape = true; summary = "Whether they speak TLS: without it, orc-3 cannot know its proxy."; };
    tokenSource = { default = "file"; oneOf = [ "file" "environment" "flag" ]; summary = "Where orchestrators find the token."; };
    leaseMs = { default = 3000; min = 1000; max = 600000; fills = true; summary = "Lease of the leader in ms."; };
    certificateLifetime = { default = "10m"; duration = true; summary = "Lifetime of every certificate."; };
  };

  value = { orchestrators, edge, readAccess, tls, tokenSource, leaseMs, certificateLifetime }:
    let
      host = name: "${name}.cluster.test";
      attrs = list: f: builtins.listToAttrs (map (name: { inherit name; value = f name; }) list);
      node = name: units: { host = host name; domain = "cluster"; inherit units; };

      # However many there are, the one behind nginx is there.
      hidden = "orc-3";
      others = builtins.genList (index: "orc-${toString (if index < 2 then index + 1 else index + 2)}") (orchestrators - 1);
      all = [ hidden ] ++ others;

      orchestrator = settings: { orchestrator = kinds.bearer-node ({ inherit readAccess leaseMs tls tokenSource; requireAuth = true; } // settings); };
      certificate = holder: {
        name = "cert-${holder}";
        value = { kind = "certificate"; issuer = "ca"; inherit holder; lifetime = certificateLifetime; handover = "enrol"; };
      };
      actions = [ "health:read" "cluster:read" "auth:read" "pipeline:run" ];
    in
    {
      trustDomains.cluster.ca = "ca";
      nodes = attrs others (name: node name (orchestrator { })) // {
        ${hidden} = node hidden (orchestrator ({ port = 8771; } // (if tls then { proxies = [ "edge" ]; } else { })));
        ca = node "ca" { ca = kinds.step-ca { }; };
        edge = node "edge" { proxy = kinds.nginx { upstream = hidden; authorization = edge; inherit tls; }; };
        operator = node "operator" { };
        # Holds nothing that anybody takes.
        stranger = node "stranger" { };
      };
      credentials = (if tls then builtins.listToAttrs (map certificate ([ "edge" ] ++ all)) else { }) // {
        cluster-token = {
          kind = "bearer-secret";
          issuer = "operator";
          holders = [ "operator" ] ++ all;
          handover = { method = "copy"; path = "etc/holdfast/bearer-node.token"; mode = "0600"; };
        };
      };
      accepts = builtins.concatMap (target: map (action: { inherit target action; credential = "cluster-token"; }) actions) all;
    };
}
