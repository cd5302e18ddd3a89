defmodule Pipeline.Foreign.Stacktrace do
  @moduledoc false
  # A stacktrace can name a function that explains the error (`error_info`), which `Exception.normalize/3` and others call.
  # `:erlang.error/3` and `:erlang.raise/3` take any function for it.

  @otp [:erl_erts_errors, :erl_stdlib_errors, :erl_kernel_errors]
  @deepest 20

  @doc "Without any such function."
  @spec bare(Exception.stacktrace()) :: Exception.stacktrace()
  def bare(stacktrace), do: filter(stacktrace, fn _ -> false end)

  @doc "The reason of an exit with such stacktraces: `{error, stacktrace}`, also as the reason of a call that failed."
  @spec bare_reason(term) :: term
  def bare_reason({reason, [{_module, _function, _args, _location} | _] = stacktrace}),
    do: {reason, bare(stacktrace)}

  def bare_reason({reason, {module, function, args}}) when is_atom(module) and is_atom(function),
    do: {bare_reason(reason), {module, function, args}}

  def bare_reason(reason), do: reason

  @doc "With the arity of each function in place of its arguments, which can be anything that the code worked on."
  @spec arities(Exception.stacktrace()) :: Exception.stacktrace()
  def arities([{module, function, args, location} | rest]) when is_list(args) do
    [{module, function, arity(args), location} | arities(rest)]
  end

  def arities([entry | rest]), do: [entry | arities(rest)]
  def arities(_end), do: []

  @doc "The same with nothing in a location but file and line, for others: a location can hold terms of any kind."
  @spec told(Exception.stacktrace()) :: Exception.stacktrace()
  def told(stacktrace) do
    for entry <- arities(stacktrace) do
      case entry do
        {module, function, arity, location} when is_list(location) ->
          {module, function, arity, place_only(location)}

        other ->
          other
      end
    end
  end

  defp place_only([{key, _} = info | rest]) when key in [:file, :line], do: [info | place_only(rest)]
  defp place_only([_other | rest]), do: place_only(rest)
  defp place_only(_end), do: []

  defp arity(args), do: if(List.improper?(args), do: 0, else: length(args))

  @doc "A reason in which stacktraces have arities: `{error, stacktrace}`, also as the reason of a call that failed."
  @spec without_arguments(term) :: term
  def without_arguments({reason, [{_module, _function, _args, location} | _] = stacktrace})
      when is_list(location),
      do: {without_arguments(reason), told(stacktrace)}

  def without_arguments({reason, {module, function, args}})
      when is_atom(module) and is_atom(function) and is_list(args),
      do: {without_arguments(reason), {module, function, arity(args)}}

  def without_arguments({kind, reason}) when kind in [:shutdown, :error, :EXIT],
    do: {kind, without_arguments(reason)}

  def without_arguments(reason), do: reason

  @doc "With no others than those of OTP, which say what is wrong with an argument."
  @spec explained_by_otp(Exception.stacktrace()) :: Exception.stacktrace()
  def explained_by_otp(stacktrace), do: filter(stacktrace, &otp?/1)

  defp otp?(%{function: _}), do: false
  defp otp?(%{module: module}), do: module in @otp
  defp otp?(_info), do: false

  # What is no stacktrace loses its end.
  defp filter([{module, function, args, location} | rest], keep?) do
    [{module, function, args, infos(location, keep?)} | filter(rest, keep?)]
  end

  defp filter([entry | rest], keep?), do: [entry | filter(rest, keep?)]
  defp filter(_end, _keep?), do: []

  defp infos([{:error_info, info} | rest], keep?) do
    if keep?.(info), do: [{:error_info, info} | infos(rest, keep?)], else: infos(rest, keep?)
  end

  defp infos([info | rest], keep?), do: [info | infos(rest, keep?)]
  defp infos(_end, _keep?), do: []

  @doc "A function by its name and its arity, of which the arguments can be there instead."
  @spec function(term, term, term) :: String.t()
  def function(module, function, args) do
    args = if is_list(args) and not List.improper?(args), do: length(args), else: args

    if is_atom(module) and is_atom(function) and is_integer(args) and args in 0..255,
      do: Exception.format_mfa(module, function, args),
      else: Pipeline.Foreign.term({module, function, args})
  end

  @doc "A line for each entry."
  @spec format(Exception.stacktrace()) :: String.t()
  def format(stacktrace) do
    stacktrace |> bare() |> Enum.take(@deepest) |> Enum.map_join("\n", &("    " <> entry(&1)))
  end

  defp entry({module, function, args, location}) do
    Pipeline.Foreign.line(place(location) <> function(module, function, args))
  end

  defp entry(other), do: Pipeline.Foreign.term(other)

  defp place(location) do
    with {:file, [_ | _] = file} <- List.keyfind(location, :file, 0),
         {:line, line} when is_integer(line) <- List.keyfind(location, :line, 0),
         true <- List.ascii_printable?(file) do
      "#{file}:#{line}: "
    else
      _ -> ""
    end
  end
end
