// SPDX-License-Identifier: LGPL-2.1-or-later
#include "config.h"
#include "server/app/cli.hpp"
#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <glib.h>
#include <memory>

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
            {"role", "viewer|admin", "viewer if not given"},
            {"password-file", "FILE",
                "Read the password there instead of standard input"}}},
    {"robot add", "ID", "Register a robot; prints its token.", 1, 1,
        {{"type", "TYPE", "Bookings of the type cover the robot"},
            {"name", "NAME", "Name to show"}}},
    {"token", "", "Print an identity token (a JWT).", 0, 0,
        {{"role", "robot|viewer|admin", "What its bearer is"},
            {"sub", "ID", "Who its bearer is"},
            {"ttl", "DURATION", "How long it is valid (1h)"}}},
    {"booking add", "", "Book a robot; prints the booking's id.", 0, 0,
        {{"user", "ID|EMAIL", "For whom"}, {"robot", "ID", "One robot"},
            {"robot-type", "TYPE", "Every robot of that type"},
            {"start", "TIME|now",
                "ISO 8601, or \"YYYY-MM-DD HH:MM\" in the server's zone"},
            {"duration", "DURATION", "90s, 30m, 1h30m, …"},
            {"force", nullptr, "Also in the past, or of an unknown robot"}}},
    {"booking list", "", "List the bookings.", 0, 0, {}},
    {"booking cancel", "ID", "Cancel a booking; its session ends.", 1, 1,
        {{"force", nullptr, "Also one that is over"}}},
    {"session list", "", "Who watches what, until when.", 0, 0, {}},
    {"session end", "PEERID", "End a session at once.", 1, 1, {}},
    {"key show", "", "Print the newest public key of grants (PEM).", 0, 0, {}},
    {"key list", "", "The keys of grants, the newest first.", 0, 0, {}},
    {"key rotate", "", "Make a new key of grants; prints its id.", 0, 0,
        {{"overlap", "DURATION", "How long the older ones stay good (24h)"}}},
    {"check-config", "", "Check configuration and database.", 0, 0, {}},
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
overview ()
{
  std::string text = "Commands:\n";
  for (const Command &command : kCommands) {
    std::string line = std::string ("  ") + command.name;
    if (*command.arguments)
      line += std::string (" ") + command.arguments;
    line.resize (std::max<std::size_t> (line.size () + 1, 25), ' ');
    text += line + command.help + "\n";
  }
  return text + "\nCOMMAND --help shows the options of one. See "
                "robotlive-signaling(8).";
}

// The words of a command are the leading arguments that are not options:
// "user add", or none for "serve". Returns how many there are. An option
// before the command ("--config F user add") keeps its value.
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
    if (find_command (word)) {
      std::string name = word;
      arguments->erase (begin);
      return name;
    }
    if (i + 1 < arguments->size () &&
        find_command (word + " " + (*arguments)[i + 1])) {
      std::string name = word + " " + (*arguments)[i + 1];
      arguments->erase (begin, begin + 2);
      return name;
    }
    return i == 0 ? word : "serve";
  }
  return "serve";
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
  line.command = take_command (&words);
  const Command *command = find_command (line.command);
  if (!command)
    throw ConfigError ("\"" + line.command + "\" is not a command: see --help");

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
    throw ConfigError (sentence);
  }
  if (version) {
    std::printf ("robotlive-signaling %s\n", VERSION);
    std::exit (0);
  }
  if (line.arguments.size () < command->min_arguments)
    throw ConfigError (
        line.command + ": " + command->arguments + " is missing: see --help");
  if (line.arguments.size () > command->max_arguments)
    throw ConfigError (
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
    config.listen.push_back (parse_listen (text));
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
