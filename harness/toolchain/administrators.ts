/** Where programs lie that are not on everybody's PATH: those of administrators, on NixOS too. */
export const administratorFolders = ['/usr/local/sbin', '/usr/sbin', '/sbin', '/run/current-system/sw/bin'] as const
