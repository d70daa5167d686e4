# SPDX-License-Identifier: LGPL-2.1-or-later
#
# Bash completion of robotlive-signaling: commands and options as its own help
# names them, files where one is wanted.

_robotlive_signaling ()
{
  local current=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD-1]}
  local program=${COMP_WORDS[0]} word words=()
  COMPREPLY=()
  case $before in
    --config | --password-file | --output | --tls-certificate | --tls-key)
      mapfile -t COMPREPLY < <(compgen -f -- "$current")
      return ;;
    --kind)
      mapfile -t COMPREPLY < <(compgen -W "session event denied login password \
        token revocation admin-action" -- "$current")
      return ;;
    --role)
      mapfile -t COMPREPLY < <(compgen -W "viewer admin robot" -- "$current")
      return ;;
  esac
  # What stands before the cursor and is no option.
  for word in "${COMP_WORDS[@]:1:COMP_CWORD-1}"; do
    [[ $word == -* ]] || words+=("$word")
  done
  if [[ $current == -* ]]; then
    mapfile -t COMPREPLY < <(compgen -W "$("$program" "${words[@]:0:2}" --help \
      2> /dev/null | grep -oE -- '--[a-z-]+')" -- "$current")
    return
  fi
  # Commands are one word or two: the first column of the overview.
  [[ ${#words[@]} -lt 2 ]] || return
  mapfile -t COMPREPLY < <(compgen -W "$("$program" --help 2> /dev/null |
    sed -n '/^Commands:/,/^$/s/^  \([a-z-]*\)\( \([a-z-]*\)\)\?.*/\1 \3/p' |
    awk -v first="${words[0]-}" \
      'first == "" { print $1 } first != "" && $1 == first { print $2 }' |
    sort -u)" -- "$current")
}
complete -o filenames -F _robotlive_signaling robotlive-signaling
