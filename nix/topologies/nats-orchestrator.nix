{ topology, kinds, ... }:
topology {
  name = "nats-orchestrator";
  summary = "A NATS broker whose credentials are made by nsc, handed over, and used by an orchestrator on another host.";

  parameters = {
    callout = {
      default = true;
      shape = true;
      summary = "Whether hosts log in by bound tokens, about which an auth callout decides, and apply their commands.";
    };
    hosts = { default = 1; min = 1; max = 200; summary = "How many hosts the orchestrator may command."; };
    validation = { default = "both"; oneOf = [ "jwks" "introspection" "both" ]; summary = "How the callout validates tokens."; };
    certificateLifetime = { default = "10m"; duration = true; summary = "Lifetime of every certificate."; };
    userLifetime = { default = "24h"; duration = true; summary = "Lifetime of the credentials that nsc makes."; };
  };

  value = { callout, hosts, validation, certificateLifetime, userLifetime }:
    let
      host = name: "${name}.somebiz.local.io";
      operator = host "operator.orchestrator";
      optional = condition: value: if condition then value else { };
      attrs = list: f: builtins.listToAttrs (map (name: { inherit name; value = f name; }) list);
      hostNames = builtins.genList (index: "host-${toString (index + 1)}") hosts;

      node = name: units: { host = host name; domain = "somebiz"; inherit units; };
      after = units: unit: unit // { after = units; };
      onDemand = unit: unit // { start = "on demand"; };

      certificate = holder: {
        kind = "certificate";
        issuer = "ca"; inherit holder; lifetime = certificateLifetime;
        handover = "enrol";
      };
      creds = users: {
        kind = "nats-creds";
        issuer = "nats-1";
        operator = "HOLO";
        holder = "orchestrator"; inherit users; handover = "copy";
      };

      may = credential: action: { target = "nats-1"; inherit action credential; };
      commands = "nats:publish/WORKLOAD.host-1.cmd.x";
      inventory = "nats:subscribe/INVENTORY.>";
    in
    {
      trustDomains.somebiz = { ca = "ca"; issuer = if callout then "auth" else null; };
      nodes = {
        ca = node "ca" { ca = kinds.step-ca { }; };
        nats-1 = node "nats-1" ({
          nats-auth-setup = kinds.nsc-setup { inherit userLifetime; };
          shared-creds-copy = after [ "nats-auth-setup" ] (kinds.creds-copy { });
          nats-server = after [ "shared-creds-copy" ] (kinds.nats-server {
            tries = {
              publish = [ "WORKLOAD.host-1.cmd.x" "WORKLOAD.host-2.status" "ADMIN.x" ];
              subscribe = [ "INVENTORY.>" "ADMIN.>" ];
            };
            callout = if callout then { } else null;
          });
          nats-accounts-push = after [ "nats-server" ] (kinds.nsc-push { });
          nats-creds-rotate = onDemand (kinds.nsc-rotate { });
          nats-user-revoke = onDemand (kinds.nsc-revoke { });
        } // optional callout {
          auth-callout = after [ "nats-accounts-push" ] (kinds.auth-callout { auth = "auth"; hosts = hostNames; inherit validation; });
        });
        orchestrator = node "orchestrator" {
          creds-intake = kinds.creds-intake { from = "creds-orchestrator"; };
          orchestrator = kinds.orchestrator {
            operators = [ operator ];
            messaging = { server = "nats-1"; hosts = hostNames; mongo = true; };
          };
        };
      } // optional callout ({
        auth = node "auth" { auth = kinds.auth-server { operators = [ (host "operator.auth") ]; }; };
      } // attrs hostNames (name: node name {
        sentinel-intake = kinds.creds-intake { from = "creds-${name}"; receiver = "host"; };
        host-agent = kinds.host-agent { server = "nats-1"; token = "${name}-token"; };
      }));
      credentials = {
        cert-nats-1 = certificate "nats-1";
        cert-orchestrator = certificate "orchestrator";
        operator = certificate "orchestrator" // { subject = operator; };
        creds-orchestrator = creds [ "WORKLOAD/orchestrator_user" "ADMIN/admin_user" ];
        creds-admin = creds [ "ADMIN/admin_user" ] // { of = "creds-orchestrator"; };
      } // optional callout ({
        cert-auth = certificate "auth";
        operator-auth = certificate "auth" // { subject = host "operator.auth"; };
      } // builtins.foldl'
        (all: name: all // {
          "cert-${name}" = certificate name;
          "creds-${name}" = creds [ "AUTH/auth_guard" ] // { holder = name; token = "${name}-token"; };
          "${name}-token" = {
            kind = "bound-token";
            issuer = "auth";
            subject = name;
            holder = name;
            audience = [ "nats-1" ];
            scope = [ "nats:connect" ];
            handover = "mint";
          };
        })
        { }
        hostNames);
      accepts = [
        (may "creds-orchestrator" "nats:connect")
        (may "creds-orchestrator" commands)
        (may "creds-orchestrator" inventory)
        (may "creds-admin" "nats:connect")
        (may "creds-admin" commands)
        (may "creds-admin" inventory)
        (may "creds-admin" "nats:publish/WORKLOAD.host-2.status")
        (may "creds-admin" "nats:publish/ADMIN.x")
        (may "creds-admin" "nats:subscribe/ADMIN.>")
      ] ++ map (action: { target = "orchestrator"; inherit action; credential = "operator"; })
        [ "node:read" "commands:write" "inventory:read" ]
      ++ (if callout then map (name: may "creds-${name}" "nats:connect") hostNames else [ ]);
    };
}
