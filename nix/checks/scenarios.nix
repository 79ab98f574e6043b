# On processes, inside the sandbox of the build: it has no network but a loopback of its own.
{
  each = { pkgs, packages, holdfast, topology, ... }: holdfast.toCheck { inherit pkgs topology; inherit (packages) holdfast; shipped = true; };
}
