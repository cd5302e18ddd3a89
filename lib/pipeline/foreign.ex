defmodule Pipeline.Foreign do
  @moduledoc false
  # Plain text of a term that foreign code raised, exited with, threw or returned: one line of valid UTF-8, of bounded
  # length and made in bounded time, however large the term is. No foreign code is called for it: neither `message/1` of
  # an exception, nor a protocol such as Inspect, nor a function that a stacktrace names as its `error_info`.
  #
  # So an exception is shown by its field `message`, or else by its fields.

  alias Pipeline.Foreign.{Outline, Stacktrace, Text}

  # Exceptions of this library that render with this module all that is in them, since anybody can make such a struct.
  # Named as plain atoms: they belong to later layers.
  @own [:"Elixir.Pipeline.Hook.Error", :"Elixir.Pipeline.Runner.Error"]
  # Errors within errors that are looked into.
  @nesting 4

  @doc "Any term, as `inspect/1` shows it unless it is a struct or large."
  @spec term(term) :: String.t()
  defdelegate term(term), to: Text

  @doc "The same with so many of the terms within it."
  @spec term(term, pos_integer) :: String.t()
  defdelegate term(term, terms), to: Text

  @doc "Text as one line of valid UTF-8."
  @spec line(binary) :: String.t()
  defdelegate line(text), to: Text

  @doc "The path of a file as one line, with line breaks escaped so that the file can be found."
  @spec path(binary) :: String.t()
  def path(path), do: path |> String.replace("\n", "\\n") |> String.replace("\r", "\\r") |> line()

  @doc "A function by its name and its arity, or its arguments."
  @spec function(term, term, term) :: String.t()
  def function(module, function, args), do: module |> Stacktrace.function(function, args) |> line()

  @doc "The reason of a failure without the terms that it failed on."
  @spec outline(term) :: term
  defdelegate outline(reason), to: Outline, as: :of

  @doc "The reason that a hook refuses with, without what is large in it."
  @spec refusal(term) :: term
  defdelegate refusal(reason), to: Outline

  @doc "The message of an exception."
  @spec message(Exception.t()) :: String.t()
  def message(%module{} = exception) do
    if module in @own and not nested?(exception, @nesting),
      do: own(exception),
      else: line(sentence(exception))
  end

  @doc "An exception with its name, as `ArgumentError: no luck`."
  @spec exception(Exception.t()) :: String.t()
  def exception(%module{} = exception), do: line("#{inspect(module)}: #{message(exception)}")

  @doc "A failure, as `Exception.format_banner/2` shows it."
  @spec banner(:error | :exit | :throw, term) :: String.t()
  def banner(:error, %module{__exception__: true} = exception),
    do: line("** (#{inspect(module)}) #{message(exception)}")

  def banner(:error, reason), do: banner(:error, normalize(reason, []))
  def banner(:exit, reason), do: "** (exit) " <> exit_reason(reason)
  def banner(:throw, value), do: "** (throw) " <> term(value)

  @doc "The reason that a process ended with, as `Exception.format_exit/1` shows it."
  @spec exit_reason(term) :: String.t()
  def exit_reason(reason), do: reason |> ended(@nesting) |> line()

  @doc """
  The exception that Elixir makes of an error.

  Explanations of the error come from OTP's own functions, and from no others that the stacktrace names.
  """
  @spec normalize(term, Exception.stacktrace()) :: Exception.t()
  def normalize(reason, stacktrace) do
    Exception.normalize(:error, reason, Stacktrace.explained_by_otp(stacktrace))
  rescue
    _ -> %ErlangError{original: reason}
  end

  @doc "A failure with where it came from, of several lines."
  @spec format(:error | :exit | :throw, term, Exception.stacktrace()) :: String.t()
  def format(:error, reason, stacktrace) do
    banner(:error, normalize(reason, stacktrace)) <> "\n" <> Stacktrace.format(stacktrace)
  end

  def format(kind, reason, stacktrace), do: banner(kind, reason) <> "\n" <> Stacktrace.format(stacktrace)

  # `message/1` of this library's own, which a struct with fields of any kind can make raise.
  defp own(exception) do
    line(Exception.message(exception))
  rescue
    _ -> line(fields(exception))
  catch
    _, _ -> line(fields(exception))
  end

  defp nested?(_reason, 0), do: true
  defp nested?(%{__exception__: true, reason: reason}, left), do: nested?(reason, left - 1)
  defp nested?(_reason, _left), do: false

  defp sentence(%{message: message}) when is_binary(message), do: message
  defp sentence(%MatchError{term: term}), do: "no match of right hand side value: " <> term(term)
  defp sentence(%CaseClauseError{term: term}), do: "no case clause matching: " <> term(term)
  defp sentence(%WithClauseError{term: term}), do: "no with clause matching: " <> term(term)
  defp sentence(%TryClauseError{term: term}), do: "no try clause matching: " <> term(term)
  defp sentence(%CondClauseError{}), do: "no cond clause evaluated to a truthy value"
  defp sentence(%BadMapError{term: term}), do: "expected a map, got: " <> term(term)
  defp sentence(%BadFunctionError{term: term}), do: "expected a function, got: " <> term(term)
  defp sentence(%ErlangError{original: original}), do: "Erlang error: " <> term(original)
  defp sentence(%KeyError{key: key, term: nil}), do: "key #{term(key)} not found"
  defp sentence(%KeyError{key: key, term: term}), do: "key #{term(key)} not found in: #{term(term)}"

  defp sentence(%Protocol.UndefinedError{protocol: protocol, value: value}),
    do: "protocol #{term(protocol)} not implemented for #{term(value)}"

  defp sentence(%FunctionClauseError{module: module, function: function, arity: arity}),
    do: "no function clause matching in #{Stacktrace.function(module, function, arity)}"

  defp sentence(%UndefinedFunctionError{module: module, function: function, arity: arity}) do
    why =
      if is_atom(module) and :erlang.module_loaded(module),
        do: "or private",
        else: "(module #{term(module)} is not available)"

    "function #{Stacktrace.function(module, function, arity)} is undefined #{why}"
  end

  defp sentence(%File.Error{action: action, path: path, reason: posix})
       when is_binary(action) and is_atom(posix),
       do: "could not #{action} #{term(path)}: #{:file.format_error(posix)}"

  defp sentence(exception), do: fields(exception)

  defp fields(exception) do
    "%{" <> text = exception |> Map.drop([:__struct__, :__exception__]) |> term()
    binary_part(text, 0, byte_size(text) - 1)
  end

  defp ended(:noproc, _left), do: "no process: it is not alive, or no process has the name"
  defp ended(:timeout, _left), do: "time out"
  defp ended(reason, _left) when reason in [:normal, :shutdown, :killed], do: Atom.to_string(reason)
  defp ended({:shutdown, reason}, _left), do: "shutdown: " <> term(reason)

  defp ended({reason, [{_module, _function, _args, location} | _] = stacktrace}, _left)
       when is_list(location),
       do: "an exception was raised: " <> banner(:error, normalize(reason, Stacktrace.bare(stacktrace)))

  defp ended({reason, {module, function, args}}, left)
       when is_atom(module) and is_atom(function) and is_list(args) and left > 0,
       do: "exited in #{Stacktrace.function(module, function, args)}: #{ended(reason, left - 1)}"

  defp ended(reason, _left), do: term(reason)
end
