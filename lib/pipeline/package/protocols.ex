defmodule Pipeline.Package.Protocols do
  @moduledoc false
  # Consolidated protocols, with the implementations that packages bring.
  #
  # A consolidated protocol knows the types that had an implementation when the host was built, and looks for no other. Here
  # such a protocol is made anew with the types of the packages beside those of the host, and the host's own code comes
  # back when the last of them goes. `Protocol.consolidate/2` cannot do it: it reads debug information, which releases
  # strip. A protocol is nothing but a dispatch, and what its functions answer says all there is to know of it.
  #
  # Macros of a protocol (`__deriving__`) are not in its code any more as a function that could be asked. They raise
  # meanwhile: code that derives an implementation is compiled elsewhere.

  alias Pipeline.Package.{Unit, Units}
  alias Pipeline.Plugin.Manager.Upgrade.Code, as: NewCode

  @attribute :pipeline_plugin_protocol

  # In the order of `Protocol`.
  @built_in [
    is_tuple: Tuple,
    is_atom: Atom,
    is_list: List,
    is_map: Map,
    is_bitstring: BitString,
    is_integer: Integer,
    is_float: Float,
    is_function: Function,
    is_pid: PID,
    is_port: Port,
    is_reference: Reference
  ]
  @types Keyword.values(@built_in)

  @info [:module, :functions, :macros, :struct, :exports_md5, :deprecated]

  @typep protocol :: %{
           types: [module],
           fallback?: boolean,
           functions: [{atom, arity}],
           callbacks: [{atom, term}],
           undefined: Exception.t(),
           info: [{atom, term}],
           macros: [{atom, arity}],
           attributes: [{atom, list}]
         }

  @typep host :: {file :: charlist, binary}

  @typedoc "A protocol that cannot be made to know an implementation, and why."
  @type error :: {:protocol, module, :changed | {:code_in_use, [pid]} | {:other_functions, [{atom, arity}]}}

  @doc """
  Brings all consolidated protocols to what these units implement. Nothing is changed where that cannot be done.

  Only one process at a time does: `Pipeline.Package.Server`.
  """
  @spec sync(Units.all()) :: :ok | {:error, error}
  def sync(units) do
    brought =
      for {_key, %Unit{modules: modules}} <- units,
          module <- Map.keys(modules),
          {protocol, type} <- implementation(module),
          uniq: true,
          do: {protocol, type}

    brought = Enum.group_by(brought, &elem(&1, 0), &elem(&1, 1))
    known = extended()
    protocols = Enum.uniq(Map.keys(brought) ++ Map.keys(known))

    with {:ok, codes} <- codes(protocols, brought, []), :ok <- make_room(codes) do
      # Before they are loaded, so that none is forgotten.
      all = Map.merge(known, Map.new(codes, fn {protocol, _binary, host} -> {protocol, host} end))
      remember(known, all)

      :ok = :code.atomic_load(for {protocol, binary, {file, _}} <- codes, do: {protocol, file, binary})
      remember(all, Map.take(all, Map.keys(brought)))
    end
  end

  # The protocols that may know more than those of the host, with the host's code of each: its file may be gone or another
  # one when it has to come back.
  @spec extended() :: %{module => host}
  defp extended, do: :persistent_term.get(__MODULE__, %{})

  # A write makes all processes collect their garbage.
  defp remember(same, same), do: :ok
  defp remember(_before, extended), do: :persistent_term.put(__MODULE__, extended)

  # By the attributes, as `Protocol.extract_impls/2` does: no code of a package runs for it.
  defp implementation(module) do
    with true <- :erlang.module_loaded(module),
         [protocol: protocol, for: type] when is_atom(protocol) and is_atom(type) <-
           module.module_info(:attributes)[:__impl__],
         do: [{protocol, type}],
         else: (_ -> [])
  end

  defp codes([], _brought, codes), do: {:ok, codes}

  defp codes([protocol | protocols], brought, codes) do
    case code(protocol, Map.get(brought, protocol, [])) do
      :same -> codes(protocols, brought, codes)
      {:ok, binary, host} -> codes(protocols, brought, [{protocol, binary, host} | codes])
      {:error, reason} -> {:error, {:protocol, protocol, reason}}
    end
  end

  # One that is not consolidated finds them by itself.
  defp code(protocol, brought) do
    with {:module, ^protocol} <- :code.ensure_loaded(protocol),
         true <- function_exported?(protocol, :__protocol__, 1),
         true <- protocol.__protocol__(:consolidated?) do
      described = protocol.module_info(:attributes)[@attribute]
      {:consolidated, known} = protocol.__protocol__(:impls)
      own = if described, do: hd(described).types, else: known

      if Enum.sort(Enum.uniq(own ++ brought)) == Enum.sort(known),
        do: :same,
        else: replace(protocol, described, known, brought -- own)
    else
      _not_consolidated -> :same
    end
  end

  defp replace(protocol, described, known, brought) do
    with {:ok, {_file, binary} = host} <- host(protocol, described),
         {:ok, binary} <- binary(protocol, described, known, brought, binary),
         do: {:ok, binary, host}
  end

  defp binary(_protocol, _described, _known, [], host), do: {:ok, host}
  defp binary(protocol, nil, known, brought, _host), do: describe(protocol, known, brought)
  defp binary(protocol, [described], _known, brought, _host), do: extend(protocol, described, brought)

  # What the host has, without which there is no way back.
  defp host(protocol, nil) do
    with {^protocol, binary, file} <- :code.get_object_code(protocol),
         true <- :code.module_md5(binary) == protocol.module_info(:md5) do
      {:ok, {file, binary}}
    else
      _ -> {:error, :changed}
    end
  end

  defp host(protocol, _described), do: Map.fetch(extended(), protocol)

  defp describe(protocol, types, brought) do
    functions = protocol.__protocol__(:functions)
    exports = protocol.module_info(:exports)
    macros = for {name, _arity} = macro <- exports, String.starts_with?("#{name}", "MACRO-"), do: macro

    known = [
      __info__: 1,
      __protocol__: 1,
      impl_for: 1,
      impl_for!: 1,
      behaviour_info: 1,
      module_info: 0,
      module_info: 1
    ]

    case ((exports -- functions) -- macros) -- known do
      [] ->
        attributes = protocol.module_info(:attributes)

        extend(
          protocol,
          %{
            types: types,
            fallback?: match?([fallback_to_any: true], attributes[:__protocol__]),
            functions: functions,
            callbacks: for(key <- [:callbacks, :optional_callbacks], do: {key, protocol.behaviour_info(key)}),
            undefined: undefined(protocol),
            info: for(key <- @info, {:ok, value} <- [info(protocol, key)], do: {key, value}),
            macros: macros,
            attributes: Keyword.drop(attributes, [:vsn, :dialyzer])
          },
          brought
        )

      others ->
        {:error, {:other_functions, others}}
    end
  end

  defp info(protocol, key) do
    {:ok, protocol.__info__(key)}
  rescue
    FunctionClauseError -> :error
  end

  # With the words that the protocol has for a value that it does not know.
  defp undefined(protocol) do
    protocol.impl_for!(%{__struct__: :"no implementation"})
    %Protocol.UndefinedError{protocol: protocol}
  rescue
    error in Protocol.UndefinedError -> %{error | value: nil}
  end

  @spec extend(module, protocol, [module]) :: {:ok, binary}
  defp extend(protocol, described, brought) do
    types = Enum.sort(Enum.uniq(described.types ++ brought))
    {:ok, ^protocol, binary} = :compile.forms(forms(protocol, described, types), [:binary, :deterministic])
    {:ok, binary}
  end

  # In Erlang's abstract format.

  defp forms(protocol, described, types) do
    functions =
      [
        {:impl_for, 1, impl_for(protocol, described, types)},
        {:struct_impl_for, 1, struct_impl_for(protocol, described, types)},
        {:impl_for!, 1, [impl_for!(described)]},
        {:__protocol__, 1, answers(about(protocol, described, types))},
        {:behaviour_info, 1, answers(described.callbacks)},
        {:__info__, 1, answers(described.info) ++ [of_module(protocol)]}
      ] ++
        for(
          {name, arity} <- described.functions,
          name not in [:impl_for, :impl_for!, :__protocol__],
          do: {name, arity, [dispatch(name, arity)]}
        ) ++
        for({name, arity} <- described.macros, do: {name, arity, [macro(protocol, arity)]})

    exports = for {name, arity, _clauses} <- functions, name != :struct_impl_for, do: {name, arity}

    attributes =
      for {name, values} <- described.attributes,
          # The compiler takes one behaviour at a time.
          value <- if(name == :behaviour, do: values, else: [values]),
          do: {:attribute, 0, name, value}

    [{:attribute, 0, :module, protocol}, {:attribute, 0, :export, exports}] ++
      attributes ++
      [{:attribute, 0, @attribute, described}] ++
      for({name, arity, clauses} <- functions, do: {:function, 0, name, arity, clauses})
  end

  defp about(protocol, described, types) do
    [
      module: protocol,
      functions: described.functions -- [impl_for: 1, impl_for!: 1, __protocol__: 1],
      consolidated?: true,
      impls: {:consolidated, types}
    ]
  end

  defp answers(pairs), do: for({key, value} <- pairs, do: clause([term(key)], [], [term(value)]))

  # A struct does not fall back to the implementation for maps.
  defp impl_for(protocol, described, types) do
    struct = {:map, 0, [{:map_field_exact, 0, term(:__struct__), var(:Type)}]}

    [clause([struct], [guard(:is_atom, var(:Type))], [call(:struct_impl_for, [var(:Type)])])] ++
      for(
        {guard, type} <- @built_in,
        type in types,
        do: clause([var(:Value)], [guard(guard, var(:Value))], [target(protocol, type)])
      ) ++
      [clause([var(:_)], [], [fallback(protocol, described, types)])]
  end

  defp struct_impl_for(protocol, described, types) do
    for(type <- types -- [Any | @types], do: clause([term(type)], [], [target(protocol, type)])) ++
      [clause([var(:_)], [], [fallback(protocol, described, types)])]
  end

  defp fallback(protocol, %{fallback?: true}, types),
    do: if(Any in types, do: target(protocol, Any), else: term(nil))

  defp fallback(_protocol, _described, _types), do: term(nil)

  defp target(protocol, type), do: term(Module.concat(protocol, type))

  defp impl_for!(%{undefined: error}) do
    raised = remote(:maps, :put, [term(:value), var(:Value), term(error)])

    clause([var(:Value)], [], [
      {:case, 0, call(:impl_for, [var(:Value)]),
       [
         clause([term(nil)], [], [remote(:erlang, :error, [raised])]),
         clause([var(:Module)], [], [var(:Module)])
       ]}
    ])
  end

  defp dispatch(name, arity) do
    [first | _] = arguments = for n <- 1..arity, do: var(:"Argument#{n}")
    clause(arguments, [], [{:call, 0, {:remote, 0, call(:impl_for!, [first]), term(name)}, arguments}])
  end

  defp macro(protocol, arity) do
    error = %RuntimeError{
      message:
        "#{inspect(protocol)} knows implementations of packages, and cannot be derived from while they are loaded; " <>
          "compile the code that derives it elsewhere, or unload the packages"
    }

    clause(for(_ <- 1..arity, do: var(:_)), [], [remote(:erlang, :error, [term(error)])])
  end

  defp of_module(protocol),
    do: clause([var(:Key)], [], [remote(:erlang, :get_module_info, [term(protocol), var(:Key)])])

  defp clause(patterns, guards, body),
    do: {:clause, 0, patterns, if(guards == [], do: [], else: [guards]), body}

  defp guard(name, argument), do: remote(:erlang, name, [argument])
  defp call(name, arguments), do: {:call, 0, {:atom, 0, name}, arguments}
  defp remote(module, name, arguments), do: {:call, 0, {:remote, 0, term(module), term(name)}, arguments}
  defp var(name), do: {:var, 0, name}
  defp term(term), do: :erl_parse.abstract(term)

  # Whoever still runs a version before the one that is loaded is not ended for a third.
  defp make_room(codes) do
    Enum.find_value(codes, :ok, fn {protocol, _binary, _host} ->
      unless :code.soft_purge(protocol),
        do: {:error, {:protocol, protocol, {:code_in_use, NewCode.running_old(protocol)}}}
    end)
  end
end
