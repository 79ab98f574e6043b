# On network namespaces inside the sandbox: each node has its own addresses, hosts and network.
{
  each = { pkgs, packages, holdfast, topology, ... }: holdfast.toCheck { inherit pkgs topology; inherit (packages) holdfast; shipped = true; backend = "netns"; };
}
