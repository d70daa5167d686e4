// SPDX-License-Identifier: LGPL-2.1-or-later
#include "config.h"
#include "server/app/cli.hpp"
#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <glib.h>
#include <memory>
#include <sysexits.h>

namespace robotlive::server {

namespace {

struct Option
{
  const char *name;
  const char *argument; // null: a flag
  const char *help;
};

struct Command
{
  const char *name;
  const char *arguments; // of its own, for the help
  const char *help;
  std::size_t min_arguments;
  std::size_t max_arguments;
  std::vector<Option> options;
};

const std::vector<Option> kCommon = {
    {"config", "FILE", "Configuration (/etc/robotlive/signaling.conf)"},
    {"database", "URL",
        "sqlite:///PATH, postgresql://…, mysql://… or console+https://…"},
};

const Option kJson = {"json", nullptr, "Print JSON"};
const Option kOutput = {"output", "FILE",
    "Write it there, for the owner alone, instead of standard output"};
const Option kPasswordFile = {"password-file", "FILE",
    "Read the password there instead of standard input"};

const std::vector<Command> kCommands = {
    {"serve", "", "Run the server (the default).", 0, 0,
        {{"listen", "ADDRESS:PORT", "Where to listen; may be repeated"},
            {"tls-certificate", "FILE", "PEM certificate with its chain"},
            {"tls-key", "FILE", "PEM private key"},
            {"allow-anonymous", nullptr,
                "Let everybody in, without a token: for a test bench only"},
            {"trusted-proxy", "CIDR",
                "Believe X-Forwarded-For from there; may be repeated"}}},
    {"user add", "EMAIL", "Create an account; prints its id.", 1, 1,
        {{"name", "NAME", "Name to show"},
            {"role", "viewer|admin", "viewer if not given"}, kPasswordFile}},
    {"user list", "", "List the accounts.", 0, 0, {kJson}},
    {"user show", "ID|EMAIL", "Show one account.", 1, 1, {kJson}},
    {"user role", "ID|EMAIL viewer|admin", "Change what a person may do.", 2, 2,
        {}},
    {"user name", "ID|EMAIL NAME", "Change the name to show.", 2, 2, {}},
    {"user password", "ID|EMAIL",
        "Set a new password; ends the person's logins.", 1, 1,
        {kPasswordFile,
            {"link", nullptr,
                "Print a link instead, with which the person sets it, once"},
            kOutput}},
    {"user totp", "ID|EMAIL",
        "Give a person a second factor; prints what an authenticator takes.", 1,
        1,
        {{"confirm", "CODE", "Let it count, by a code of it"},
            {"disable", nullptr, "The password alone is enough again"},
            kOutput}},
    {"user disable", "ID|EMAIL",
        "Let a person in no more; logins and sessions end.", 1, 1, {}},
    {"user enable", "ID|EMAIL", "Let a person in again.", 1, 1, {}},
    {"user logout", "ID|EMAIL", "End a person's logins and sessions.", 1, 1,
        {}},
    {"user remove", "ID|EMAIL",
        "Remove an account; its id stays in bookings and log.", 1, 1, {}},
    {"user export", "ID|EMAIL", "Print all that is kept of a person, as JSON.",
        1, 1, {}},
    {"user erase", "ID|EMAIL",
        "Remove an account, and the addresses it came from.", 1, 1, {}},
    {"robot add", "ID", "Register a robot; prints its token.", 1, 1,
        {{"type", "TYPE", "Bookings of the type cover the robot"},
            {"name", "NAME", "Name to show"}, kOutput}},
    {"robot list", "", "List the robots, and when their tokens end.", 0, 0,
        {kJson}},
    {"robot rename", "ID [NAME]", "Change a robot's name or type.", 1, 2,
        {{"type", "TYPE", "Bookings of the type cover the robot"}}},
    {"robot remove", "ID", "Remove a robot; its tokens and bookings end.", 1, 1,
        {}},
    {"robot token", "ID", "Print a new token for a robot; the old ones end.", 1,
        1,
        {{"replace-in", "DURATION", "Let the old ones count for so long (0)"},
            {"revoke", nullptr, "End them, and make no new one"}, kOutput}},
    {"token", "", "Print an identity token (a JWT).", 0, 0,
        {{"role", "robot|viewer|admin", "What its bearer is"},
            {"sub", "ID|EMAIL", "Who its bearer is"},
            {"ttl", "DURATION", "How long it is valid (1h)"}, kOutput}},
    {"token list", "", "List the tokens of robots and those printed here.", 0,
        0, {{"sub", "ID", "Only those of a robot or account"}, kJson}},
    {"token revoke", "TOKENID", "Refuse a token from now on.", 1, 1, {}},
    {"booking add", "", "Book a robot; prints the booking's id.", 0, 0,
        {{"user", "ID|EMAIL", "For whom"}, {"robot", "ID", "One robot"},
            {"robot-type", "TYPE", "Every robot of that type"},
            {"start", "TIME|now",
                "ISO 8601, or \"YYYY-MM-DD HH:MM\" in the server's zone"},
            {"duration", "DURATION", "90s, 30m, 1h30m, …"},
            {"force", nullptr, "Also in the past, or of an unknown robot"}}},
    {"booking list", "", "List the bookings.", 0, 0, {kJson}},
    {"booking cancel", "ID", "Cancel a booking; its session ends.", 1, 1,
        {{"force", nullptr, "Also one that is over"}}},
    {"session list", "", "Who watches what, until when.", 0, 0, {kJson}},
    {"audit list", "", "What happened: sessions, or security events.", 0, 0,
        {{"kind", "KIND",
             "session (if not given), event (all that follow), denied, login, "
             "password, token, revocation or admin-action"},
            {"from", "TIME", "Not before"}, {"to", "TIME", "Before"},
            {"viewer", "ID", "Of one person"}, {"robot", "ID", "Of one robot"},
            {"limit", "N", "The newest so many (1000)"}, kJson}},
    {"session end", "PEERID", "End a session at once.", 1, 1, {}},
    {"key show", "", "Print the newest public key of grants (PEM).", 0, 0, {}},
    {"key list", "", "The keys of grants, the newest first.", 0, 0, {kJson}},
    {"key rotate", "", "Make a new key of grants; prints its id.", 0, 0,
        {{"overlap", "DURATION", "How long the older ones stay good (24h)"}}},
    {"check-config", "", "Check configuration and database.", 0, 0,
        {{"keys", nullptr,
            "List the keys instead, and how each takes effect on SIGHUP"}}},
};

const Command *
find_command (const std::string &name)
{
  for (const Command &command : kCommands)
    if (name == command.name)
      return &command;
  return nullptr;
}

std::string
commands_text (const std::string &group)
{
  std::string text;
  for (const Command &command : kCommands) {
    std::string name = command.name;
    if (!group.empty () && name != group && name.rfind (group + " ", 0) != 0)
      continue;
    std::string line = "  " + name;
    if (*command.arguments)
      line += std::string (" ") + command.arguments;
    line.resize (std::max<std::size_t> (line.size () + 1, 25), ' ');
    text += line + command.help + "\n";
  }
  return text;
}

std::string
overview ()
{
  return "Commands:\n" + commands_text ("") +
         "\nCOMMAND --help, or \"help COMMAND\", shows the options of one. "
         "See robotlive-signaling(8).";
}

bool
is_group (const std::string &word)
{
  return std::any_of (
      kCommands.begin (), kCommands.end (), [&word] (const Command &command) {
        return std::string (command.name).rfind (word + " ", 0) == 0;
      });
}

// How many letters have to be changed, added or left out (Levenshtein).
std::size_t
distance (const std::string &a, const std::string &b)
{
  std::vector<std::size_t> row (b.size () + 1);
  for (std::size_t i = 0; i <= b.size (); ++i)
    row[i] = i;
  for (std::size_t i = 1; i <= a.size (); ++i) {
    std::size_t corner = row[0];
    row[0] = i;
    for (std::size_t k = 1; k <= b.size (); ++k) {
      std::size_t change = corner + (a[i - 1] != b[k - 1]);
      corner = row[k];
      row[k] = std::min ({row[k] + 1, row[k - 1] + 1, change});
    }
  }
  return row[b.size ()];
}

[[noreturn]] void
unknown_command (const std::string &text)
{
  std::string group = text.substr (0, text.find (' '));
  std::string sentence = "\"" + text.substr (0, 60) + "\" is not a command";
  const Command *nearest = nullptr;
  std::size_t best = 4;
  for (const Command &command : kCommands) {
    std::size_t d = distance (text.substr (0, 60), command.name);
    if (d < best) {
      best = d;
      nearest = &command;
    }
  }
  if (nearest && text != group)
    sentence += std::string (": did you mean \"") + nearest->name + "\"?";
  else if (is_group (group))
    sentence += ". There are:\n" + commands_text (group) + "See --help";
  else if (nearest)
    sentence += std::string (": did you mean \"") + nearest->name + "\"?";
  else
    sentence += ": see --help";
  throw CommandError (EX_USAGE, sentence);
}

// The words of a command are the leading arguments that are not options:
// "user add", or none for "serve". An option before the command ("--config F
// user add") keeps its value.
std::string
take_command (std::vector<std::string> *arguments)
{
  for (std::size_t i = 0; i < arguments->size (); ++i) {
    const std::string &word = (*arguments)[i];
    if (word == "--config" || word == "--database") {
      ++i;
      continue;
    }
    if (word.rfind ("-", 0) == 0)
      continue;
    auto begin = arguments->begin () + static_cast<std::ptrdiff_t> (i);
    // The longer name first: there are "token" and "token list".
    for (std::size_t words : {2, 1}) {
      if (i + words > arguments->size ())
        continue;
      std::string name = word;
      if (words == 2)
        name += " " + (*arguments)[i + 1];
      if (find_command (name)) {
        arguments->erase (begin, begin + static_cast<std::ptrdiff_t> (words));
        return name;
      }
    }
    bool first = i == 0 || is_group (word);
    bool more =
        i + 1 < arguments->size () && (*arguments)[i + 1].rfind ("-", 0) != 0;
    return !first ? "serve" : more ? word + " " + (*arguments)[i + 1] : word;
  }
  return "serve";
}

// "help", "help user", "help user add" are "--help", "user --help" and so on.
void
take_help (std::vector<std::string> *words)
{
  bool wanted = !words->empty () && words->front () == "help";
  if (wanted) {
    words->erase (words->begin ());
    words->push_back ("--help");
  }
  bool asks = wanted || std::any_of (words->begin (), words->end (),
                            [] (const std::string &word) {
                              return word == "--help" || word == "-h";
                            });
  if (!asks)
    return;
  std::vector<std::string> copy = *words;
  std::string name = take_command (&copy);
  if (find_command (name) && name != "token")
    return;
  if (!is_group (name))
    return;
  std::printf ("Usage: robotlive-signaling %s COMMAND\n\n%s\n"
               "%s COMMAND --help shows the options of one.\n",
      name.c_str (), commands_text (name).c_str (), name.c_str ());
  if (!find_command (name))
    std::exit (0);
}

struct Parsed
{
  CommandLine *line;
  const Command *command;
};

gboolean
on_option (const gchar *name, const gchar *value, gpointer data, GError **)
{
  auto *line = static_cast<Parsed *> (data)->line;
  std::string key = name + 2; // "--key"
  std::string text = value ? value : "true";
  if (key == "listen")
    line->listen.push_back (text);
  else if (key == "trusted-proxy")
    line->trusted_proxies.push_back (text);
  else
    line->options[key] = text;
  return TRUE;
}

} // namespace

std::string
CommandLine::get (const std::string &name, const char *otherwise) const
{
  auto it = options.find (name);
  return it == options.end () ? otherwise : it->second;
}

CommandLine
parse_command_line (int argc, char **argv)
{
  std::vector<std::string> words (argv + 1, argv + argc);
  CommandLine line;
  take_help (&words);
  line.command = take_command (&words);
  const Command *command = find_command (line.command);
  if (!command)
    unknown_command (line.command);

  std::vector<GOptionEntry> entries;
  gboolean version = FALSE;
  auto add = [&entries] (const Option &option) {
    GOptionEntry entry{};
    entry.long_name = option.name;
    entry.flags = option.argument ? 0 : G_OPTION_FLAG_NO_ARG;
    entry.arg = G_OPTION_ARG_CALLBACK;
    entry.arg_data = reinterpret_cast<gpointer> (on_option);
    entry.description = option.help;
    entry.arg_description = option.argument;
    entries.push_back (entry);
  };
  for (const Option &option : command->options)
    add (option);
  for (const Option &option : kCommon)
    add (option);
  GOptionEntry entry{};
  entry.long_name = "version";
  entry.arg = G_OPTION_ARG_NONE;
  entry.arg_data = &version;
  entry.description = "Print the version";
  entries.push_back (entry);
  entries.push_back (GOptionEntry{});

  std::string usage = line.command == "serve"
                          ? std::string ("[COMMAND]")
                          : line.command + " " + command->arguments;
  std::unique_ptr<GOptionContext, void (*) (GOptionContext *)> context (
      g_option_context_new (nullptr), g_option_context_free);
  Parsed parsed{&line, command};
  // The main group's callbacks get its user data.
  GOptionGroup *group = g_option_group_new (
      "main", "Options", "Show the options", &parsed, nullptr);
  g_option_group_add_entries (group, entries.data ());
  g_option_context_set_main_group (context.get (), group);
  std::string summary = command->help;
  if (line.command == "serve")
    summary += "\n\n" + overview ();
  g_option_context_set_summary (context.get (), summary.c_str ());

  // g_strfreev () must find what GOption leaves of the vector.
  words.insert (words.begin (), "robotlive-signaling " + usage);
  std::vector<char *> pointers;
  for (const std::string &word : words)
    pointers.push_back (g_strdup (word.c_str ()));
  pointers.push_back (nullptr);
  gchar **args = static_cast<gchar **> (
      g_memdup2 (pointers.data (), pointers.size () * sizeof (char *)));
  g_set_prgname (("robotlive-signaling " + usage).c_str ());
  GError *error = nullptr;
  bool good = g_option_context_parse_strv (context.get (), &args, &error);
  g_set_prgname ("robotlive-signaling");
  for (gchar **a = args + 1; good && *a; ++a)
    if (std::string (*a) != "--")
      line.arguments.push_back (*a);
  g_strfreev (args);
  if (!good) {
    std::string sentence = error->message;
    g_error_free (error);
    throw CommandError (EX_USAGE, sentence);
  }
  if (version) {
    std::printf ("robotlive-signaling %s\n", VERSION);
    std::exit (0);
  }
  if (line.arguments.size () < command->min_arguments)
    throw CommandError (EX_USAGE,
        line.command + ": " + command->arguments + " is missing: see --help");
  if (line.arguments.size () > command->max_arguments &&
      is_group (line.command))
    unknown_command (line.command + " " + line.arguments[0]);
  if (line.arguments.size () > command->max_arguments)
    throw CommandError (EX_USAGE,
        "\"" + line.arguments.back () + "\" is not expected: see --help");
  return line;
}

Config
configure (const CommandLine &line)
{
  Config config = load_config (line.get ("config"));
  if (!line.listen.empty ())
    config.listen.clear ();
  for (const std::string &text : line.listen)
    try {
      config.listen.push_back (parse_listen (text));
    } catch (const ConfigError &error) {
      throw CommandError (EX_USAGE, error.what ());
    }
  for (const std::string &cidr : line.trusted_proxies)
    config.network.trusted_proxies.push_back (cidr);
  config.database = line.get ("database", config.database.c_str ());
  config.network.tls_certificate_file = line.get (
      "tls-certificate", config.network.tls_certificate_file.c_str ());
  config.network.tls_key_file =
      line.get ("tls-key", config.network.tls_key_file.c_str ());
  if (!line.get ("allow-anonymous").empty ())
    config.allow_anonymous = true;
  complete_config (&config);
  return config;
}

} // namespace robotlive::server
