# Topologies in pure Nix: no nixpkgs, and no builtin that is newer than Nix 2.8.
#
# A topology file is a function of `{ topology, kinds, each }` that calls `topology` with
#   name, summary   as in the schema of the harness
#   parameters      what `--set` may change: `{ default; summary; }` and one of
#                     `min`, `max`   a whole number; with `fills = true` it only fills fields
#                     `oneOf`        a list of texts; with `shape = true` it does more than fill fields
#                     `duration`     true: a text such as `10m`; the default may be null
#                   or none of these, with a default of true or false; `shape = true` as above
#   value           a function of the parameters to trustDomains, networks, nodes, credentials and accepts
# A member that is null is left out.
let
  inherit (builtins)
    all attrNames concatLists concatStringsSep elem elemAt filter genList hasAttr head isAttrs isBool isInt isList isString
    length listToAttrs match mapAttrs substring toJSON toString;

  optional = condition: text: if condition then [ text ] else [ ];
  concatMap = f: list: concatLists (map f list);
  concatAttrs = f: attrs: concatMap (name: f name attrs.${name}) (attrNames attrs);
  range = first: last: genList (i: first + i) (if last < first then 0 else last - first + 1);
  asList = value: if isList value then value else [ value ];

  withoutNulls = value:
    if isAttrs value then mapAttrs (_: withoutNulls) (removeAttrs value (filter (n: value.${n} == null) (attrNames value)))
    else if isList value then map withoutNulls value
    else value;

  failAll = name: mistakes: value:
    if mistakes == [ ] then value
    else throw "topology ${name}: ${concatStringsSep "; " mistakes}";

  # ---- kinds

  # What a unit may be: `kinds.step-ca { }` is `{ kind = "step-ca"; settings = { }; }`, and a kind of your own is written in
  # that long form. The harness has the schema of each one's settings.
  kindNames = [ "auth-callout" "auth-server" "creds-copy" "creds-intake" "exec" "federation-gateway" "host-agent" "issuer" "nats-server" "nginx" "nsc-push" "nsc-revoke" "nsc-rotate" "nsc-setup" "orchestrator" "postgres" "step-ca" ];
  kinds = listToAttrs (map (kind: { name = kind; value = settings: { inherit kind settings; }; }) kindNames);

  # The short names of a row of nodes: a … z, aa, ab, …
  letters = "abcdefghijklmnopqrstuvwxyz";
  letter = index:
    (if index < 26 then "" else substring (index / 26 - 1) 1 letters) + substring (index - (index / 26) * 26) 1 letters;
  each = count: genList letter count;

  # ---- mistakes that can be seen without knowing the kinds; compiling finds the others

  isName = name: match "[a-z]([a-z0-9-]{0,61}[a-z0-9])?" name != null;

  unknownMembers = path: known: attrs:
    map (n: "${path}.${n}: unknown member") (filter (n: !(elem n known)) (attrNames attrs));

  undeclared = path: what: declared: names:
    map (n: "${path}: ${what} ${toJSON n} is not declared") (filter (n: isString n && !(hasAttr n declared)) names);

  unitMistakes = t: node: name: unit:
    let path = "nodes.${node}.units.${name}"; in
    unknownMembers path [ "kind" "after" "user" "network" "start" "settings" ] unit
    ++ optional (unit ? network && !(elem unit.network (t.nodes.${node}.networks or [ ])))
      "${path}.network: its node is not in network ${toJSON unit.network}"
    # Of another node, any unit may be meant: kinds and credentials bring along units of their own.
    ++ undeclared "${path}.after" "node" t.nodes
      (map (reference: head (match "([^/]*)/.*" reference)) (filter (r: match "[^/]*/.*" r != null) (unit.after or [ ])));

  nodeMistakes = t: name: node:
    unknownMembers "nodes.${name}" [ "host" "domain" "networks" "units" ] node
    ++ undeclared "nodes.${name}.networks" "network" (t.networks or { }) (node.networks or [ ])
    ++ optional ((t.networks or { }) != { } && !(node ? networks)) "nodes.${name}: says nothing of its networks"
    ++ optional (!(isName name)) "nodes.${name}: bad name"
    ++ undeclared "nodes.${name}.domain" "trust domain" t.trustDomains [ node.domain ]
    ++ optional (length (filter (n: t.nodes.${n}.host == node.host) (attrNames t.nodes)) > 1)
      "nodes.${name}.host: ${toJSON node.host} is the host of two nodes"
    ++ concatAttrs (unitMistakes t name) node.units;

  credentialMistakes = t: name: c:
    let path = "credentials.${name}"; in
    undeclared "${path}.issuer" "node" t.nodes (map (i: head (match "([^/]*).*" i)) (asList (c.issuer or [ ])))
    ++ undeclared "${path}.holder" "node" t.nodes (asList (c.holder or c.holders or [ ]));

  acceptMistakes = t: a:
    undeclared "accepts" "node" t.nodes (asList a.target ++ asList (a.by or [ ]))
    ++ undeclared "accepts" "credential" t.credentials (asList a.credential);

  networkMistakes = t: name: network:
    unknownMembers "networks.${name}" [ "summary" ] network
    ++ optional (!(isName name)) "networks.${name}: bad name"
    ++ optional (all (n: !(elem name (t.nodes.${n}.networks or [ ]))) (attrNames t.nodes)) "networks.${name}: no node is in it";

  mistakesOf = t:
    unknownMembers "topology" [ "name" "summary" "trustDomains" "networks" "nodes" "credentials" "accepts" ] t
    ++ concatAttrs (name: d: undeclared "trustDomains.${name}" "node" t.nodes ([ d.ca ] ++ (if d ? issuer then [ d.issuer ] else [ ]))) t.trustDomains
    ++ concatAttrs (networkMistakes t) (t.networks or { })
    ++ concatAttrs (nodeMistakes t) t.nodes
    ++ concatAttrs (credentialMistakes t) t.credentials
    ++ concatMap (acceptMistakes t) t.accepts;

  check = t: failAll t.name (mistakesOf t) (builtins.deepSeq t t);

  # ---- parameters

  isDuration = value: isString value && match "[1-9][0-9]{0,8}[smhd]" value != null;

  expected = p:
    if p ? min then "a whole number from ${toString p.min} to ${toString p.max}"
    else if p ? oneOf then "one of ${concatStringsSep ", " p.oneOf}"
    else if p ? duration then "a duration such as 10m"
    else "true or false";

  fits = p: value:
    if p ? min then isInt value && value >= p.min && value <= p.max
    else if p ? oneOf then elem value p.oneOf
    else if p ? duration then isDuration value
    else isBool value;

  parameterMistakes = parameters: given:
    let known = concatStringsSep ", " (attrNames parameters); in
    concatMap
      (name:
        if !(hasAttr name parameters) then [ "there is no parameter ${toJSON name}; there are: ${if known == "" then "none" else known}" ]
        else
        optional (!(fits parameters.${name} given.${name}))
          "parameter ${name} must be ${expected parameters.${name}}, not ${toJSON given.${name}}")
      (attrNames given);

  # `--set` knows texts only: a whole number, and true or false, are read where they are asked for.
  readTexts = parameters: texts: mapAttrs
    (name: text:
      let
        p = parameters.${name};
        form = if p ? min then "[0-9]{1,9}" else if isBool p.default then "true|false" else "";
      in
      if hasAttr name parameters && form != "" && match form text != null then builtins.fromJSON text else text)
    texts;

  topology = { name, summary, parameters ? { }, value }: rec {
    inherit name summary parameters;
    # Parameters that are not given have their defaults.
    build = given: withoutNulls ({ inherit name summary; } // value (mapAttrs (_: p: p.default) parameters // given));
    unchecked = given: failAll name (parameterMistakes parameters given) (build given);
    instance = given: check (unchecked given);
  };

  # ---- the checked-in form
  #
  # So that every parameter works where there is no Nix, a topology is kept in two parts. `base` is its value with the
  # smallest count; a parameter that only fills fields stands there as `{ "$parameter": name }`. `growth.steps` hold
  # what each further count adds: members of objects, and entries at the end of lists. A parameter with `shape` has both for
  # each of its values; with several of them, so has each value of the one for each value of the next.

  growth = path: before: after:
    if isAttrs before && isAttrs after then
      (if all (n: hasAttr n after) (attrNames before) then
        let
          added = removeAttrs after (attrNames before);
          grown = mapAttrs (n: b: growth "${path}.${n}" b after.${n})
            (removeAttrs before (filter (n: before.${n} == after.${n}) (attrNames before)));
        in
        added // grown
      else throw "${path}: a larger count takes a member away")
    else if isList before && isList after then
      (if genList (elemAt after) (length before) == before
      then genList (i: elemAt after (length before + i)) (length after - length before)
      else throw "${path}: a larger count changes an entry")
    else throw "${path}: a larger count changes a value";

  # `fixed` are parameters that have their value already.
  packAt = declared: fixed:
    let
      inherit (declared) parameters;
      shapes = filter (n: parameters.${n} ? shape) (attrNames (removeAttrs parameters (attrNames fixed)));
      shape = head shapes;
      variant = value: {
        name = if isString value then value else toJSON value;
        value = packAt declared (fixed // { ${shape} = value; });
      };
    in
    if shapes == [ ] then packShape declared fixed
    else { variants = { parameter = shape; values = listToAttrs (map variant (parameters.${shape}.oneOf or [ false true ])); }; };

  # The same with a value for every parameter that changes the shape.
  packShape = declared: fixed:
    let
      inherit (declared) parameters;
      counts = filter (n: parameters.${n} ? min && !(parameters.${n} ? fills)) (attrNames parameters);
      count = head counts;
      open = mapAttrs (name: _: { "$parameter" = name; }) (removeAttrs parameters counts) // fixed;
      at = n: check (declared.build (open // { ${count} = n; }));
      values = map at (range parameters.${count}.min parameters.${count}.max);
    in
    if counts == [ ] then { base = check (declared.build open); }
    else if length counts > 1 then throw "topology ${declared.name}: only one parameter may be a whole number that does more than fill fields"
    else {
      base = head values;
      growth = {
        parameter = count;
        steps = genList (i: growth declared.name (elemAt values i) (elemAt values (i + 1))) (length values - 1);
      };
    };

  pack = declared: { inherit (declared) summary parameters; } // packAt declared { };

  load' = f: if builtins.isFunction f then f { inherit topology kinds each; } else f;
  load = file: load' (import file);

  # What the harness asks for: the value of a user's file, with parameters as JSON of texts. It is not checked here, since the
  # harness tells more about each mistake.
  evaluate = { file, parameters ? "{}" }:
    let
      declared = load (/. + file);
      texts = builtins.fromJSON parameters;
    in
    if declared ? build then {
      inherit (declared) parameters;
      value = declared.unchecked (readTexts declared.parameters texts);
    } else {
      parameters = { };
      value = failAll (declared.name or file) (parameterMistakes { } texts) (withoutNulls declared);
    };
in
{ inherit topology kinds kindNames each check mistakesOf pack load load' evaluate; }
