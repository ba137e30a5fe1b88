use super::*;
use crate::Globals;
use modelseal_core::{inspection::Verdict, path::ModelPath};
use proptest::prelude::*;

/// Templates in the manner of those that models have.
const GOOD: &[&str] = &[
    // Plain turns.
    "{% for message in messages %}{{'<|im_start|>' + message['role'] + '\\n' + message['content'] + '<|im_end|>' + '\\n'}}\
     {% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}",
    // Tools as JSON, dates, and a system turn that is taken off the front.
    "{{- bos_token }}\n{%- if custom_tools is defined %}\n    {%- set tools = custom_tools %}\n{%- endif %}\n\
     {%- if not tools_in_user_message is defined %}{%- set tools_in_user_message = true %}{%- endif %}\n\
     {%- if not date_string is defined %}{%- if strftime_now is defined %}{%- set date_string = strftime_now(\"%d %b %Y\") %}\
     {%- else %}{%- set date_string = \"26 Jul 2024\" %}{%- endif %}{%- endif %}\n\
     {%- if messages[0]['role'] == 'system' %}{%- set system_message = messages[0]['content']|trim %}\
     {%- set messages = messages[1:] %}{%- else %}{%- set system_message = \"\" %}{%- endif %}\n\
     {{- \"<|start_header_id|>system<|end_header_id|>\\n\\n\" }}{%- if builtin_tools is defined or tools is not none %}\
     {{- \"Environment: ipython\\n\" }}{%- endif %}{%- if builtin_tools is defined %}\
     {{- \"Tools: \" + builtin_tools | reject('equalto', 'code_interpreter') | join(\", \") + \"\\n\\n\"}}{%- endif %}\n\
     {%- for message in messages %}{%- if not (message.role == 'ipython' or message.role == 'tool' or 'tool_calls' in message) %}\
     {{- '<|start_header_id|>' + message['role'] + '<|end_header_id|>\\n\\n'+ message['content'] | trim + '<|eot_id|>' }}\
     {%- elif 'tool_calls' in message %}{%- if not message.tool_calls|length == 1 %}\
     {{- raise_exception(\"Only single tool-calls at once!\") }}{%- endif %}\
     {%- set tool_call = message.tool_calls[0].function %}\
     {%- for arg_name, arg_val in tool_call.arguments | items %}{{- arg_name + '=\"' + arg_val + '\"' }}\
     {%- if not loop.last %}{{- \", \" }}{%- endif %}{%- endfor %}\
     {{- '\"parameters\": ' }}{{- tool_call.arguments | tojson }}\
     {%- elif message.role == \"tool\" or message.role == \"ipython\" %}\
     {%- if message.content is mapping or message.content is iterable %}{{- message.content | tojson }}\
     {%- else %}{{- message.content }}{%- endif %}{%- endif %}{%- endfor %}",
    // Thinking that is cut out again, counting backwards with a namespace.
    "{%- set ns = namespace(multi_step_tool=true, last_query_index=messages|length - 1) %}\n\
     {%- for message in messages[::-1] %}{%- set index = (messages|length - 1) - loop.index0 %}\
     {%- if ns.multi_step_tool and message.role == \"user\" and message.content is string and \
     not(message.content.startswith('<tool_response>') and message.content.endswith('</tool_response>')) %}\
     {%- set ns.multi_step_tool = false %}{%- set ns.last_query_index = index %}{%- endif %}{%- endfor %}\n\
     {%- for message in messages %}{%- set content = message.content if message.content is string else '' %}\
     {%- set reasoning_content = '' %}{%- if '</think>' in content %}\
     {%- set reasoning_content = content.split('</think>')[0].rstrip('\\n').split('<think>')[-1].lstrip('\\n') %}\
     {%- set content = content.split('</think>')[-1].lstrip('\\n') %}{%- endif %}\
     {%- if loop.index0 > ns.last_query_index %}{{- '<think>\\n' + reasoning_content.strip('\\n') + '\\n</think>\\n\\n' + content }}\
     {%- endif %}{%- if message.tool_calls %}{%- for tool_call in message.tool_calls %}\
     {%- if (loop.first and content) or (not loop.first) %}{{- '\\n' }}{%- endif %}\
     {%- if tool_call.function %}{%- set tool_call = tool_call.function %}{%- endif %}\
     {{- '<tool_call>\\n{\"name\": \"' }}{{- tool_call.name }}\
     {%- if tool_call.arguments is string %}{{- tool_call.arguments }}{%- else %}{{- tool_call.arguments | tojson }}{%- endif %}\
     {{- '}\\n</tool_call>' }}{%- endfor %}{%- endif %}\
     {%- if (loop.index0 == 0) or (messages[loop.index0 - 1].role != \"tool\") %}{{- 'x' }}{%- endif %}{%- endfor %}\
     {%- if enable_thinking is defined and enable_thinking is false %}{{- '<think>\\n\\n</think>\\n\\n' }}{%- endif %}",
    // Checks of order, identifiers of calls.
    "{%- set loop_messages = messages[1:] if messages[0][\"role\"] == \"system\" else messages %}\
     {%- set user_messages = loop_messages | selectattr(\"role\", \"equalto\", \"user\") | list %}\
     {%- set ns = namespace() %}{%- set ns.index = 0 %}{%- for message in loop_messages %}\
     {%- if not (message.role == \"tool\" or (message.tool_calls is defined and message.tool_calls is not none)) %}\
     {%- if (message[\"role\"] == \"user\") != (ns.index % 2 == 0) %}{{- raise_exception(\"roles must alternate\") }}{%- endif %}\
     {%- set ns.index = ns.index + 1 %}{%- endif %}{%- endfor %}{{- bos_token }}\
     {%- for message in loop_messages %}{%- if message[\"role\"] == \"user\" %}\
     {%- if tools is not none and (message == user_messages[-1]) %}{{- \"[AVAILABLE_TOOLS][\" }}\
     {%- for tool in tools %}{%- set tool = tool.function %}{{- '{\"type\": \"function\", \"function\": {' }}\
     {%- for key, val in tool.items() if key != \"return\" %}{%- if val is string %}{{- '\"' + key + '\": \"' + val + '\"' }}\
     {%- else %}{{- '\"' + key + '\": ' + val|tojson }}{%- endif %}{%- if not loop.last %}{{- \", \" }}{%- endif %}\
     {%- endfor %}{{- \"}}\" }}{%- endfor %}{{- \"[/AVAILABLE_TOOLS]\" }}{%- endif %}\
     {%- elif message.tool_calls is defined %}{%- for tool_call in message.tool_calls %}\
     {%- if tool_call.id is not defined or tool_call.id|length != 9 %}{{- raise_exception(\"bad id\") }}{%- endif %}\
     {%- set out = tool_call.function|tojson %}{{- out[:-1] }}{{- ', \"id\": \"' + tool_call.id + '\"}' }}{%- endfor %}\
     {%- elif message[\"role\"] == \"assistant\" %}{{- \" \" + message[\"content\"]|trim + eos_token}}{%- endif %}{%- endfor %}",
    // A system prompt that is gathered, marks of other letters.
    "{% if not add_generation_prompt is defined %}{% set add_generation_prompt = false %}{% endif %}\
     {% set ns = namespace(is_first=false, is_tool=false, is_output_first=true, system_prompt='', is_first_sp=true) %}\
     {%- for message in messages %}{%- if message['role'] == 'system' %}{%- if ns.is_first_sp %}\
     {% set ns.system_prompt = ns.system_prompt + message['content'] %}{% set ns.is_first_sp = false %}{%- else %}\
     {% set ns.system_prompt = ns.system_prompt + '\\n\\n' + message['content'] %}{%- endif %}{%- endif %}{%- endfor %}\
     {{ bos_token }}{{ ns.system_prompt }}{%- for message in messages %}{%- if message['role'] == 'user' %}\
     {%- set ns.is_tool = false -%}{{'<｜User｜>' + message['content']}}{%- endif %}\
     {%- if message['role'] == 'assistant' and 'tool_calls' in message %}{%- for tool in message['tool_calls'] %}\
     {%- if not ns.is_first %}{{'<｜tool▁calls▁begin｜><｜tool▁call▁begin｜>' + tool['type'] + '<｜tool▁sep｜>' + tool['function']['name'] \
     + '\\n' + '```json' + '\\n' + tool['function']['arguments'] + '\\n' + '```' + '<｜tool▁call▁end｜>'}}\
     {%- set ns.is_first = true -%}{%- endif %}{%- endfor %}{%- endif %}\
     {%- if message['role'] == 'assistant' and message['content'] is not none %}{% set content = message['content'] %}\
     {% if '</think>' in content %}{% set content = content.split('</think>')[-1] %}{% endif %}\
     {{'<｜Assistant｜>' + content + '<｜end▁of▁sentence｜>'}}{%- endif %}{%- endfor -%}",
    // Turns of images and text.
    "{{ bos_token }}\n{%- if messages[0]['role'] == 'system' -%}\n    {%- if messages[0]['content'] is string -%}\n        \
     {%- set first_user_prefix = messages[0]['content'] + '\\n\\n' -%}\n    {%- else -%}\n        \
     {%- set first_user_prefix = messages[0]['content'][0]['text'] + '\\n\\n' -%}\n    {%- endif -%}\n    \
     {%- set loop_messages = messages[1:] -%}\n{%- else -%}\n    {%- set first_user_prefix = \"\" -%}\n    \
     {%- set loop_messages = messages -%}\n{%- endif -%}\n{%- for message in loop_messages -%}\n    \
     {%- if (message['role'] == 'assistant') -%}\n        {%- set role = \"model\" -%}\n    {%- else -%}\n        \
     {%- set role = message['role'] -%}\n    {%- endif -%}\n    \
     {{ '<start_of_turn>' + role + '\\n' + (first_user_prefix if loop.first else \"\") }}\n    \
     {%- if message['content'] is string -%}\n        {{ message['content'] | trim }}\n    \
     {%- elif message['content'] is iterable -%}\n        {%- for item in message['content'] -%}\n            \
     {%- if item['type'] == 'image' -%}\n                {{ '<start_of_image>' }}\n            \
     {%- elif item['type'] == 'text' -%}\n                {{ item['text'] | trim }}\n            {%- endif -%}\n        \
     {%- endfor -%}\n    {%- else -%}\n        {{ raise_exception(\"Invalid content type\") }}\n    {%- endif -%}\n    \
     {{ '<end_of_turn>\\n' }}\n{%- endfor -%}",
    // Tools in one place of the system turn, and assistant turns that training masks.
    "{% for message in messages %}{% if message['role'] == 'system' and 'tools' in message and message['tools'] is not none %}\
     {{ '<|' + message['role'] + '|>' + message['content'] + '<|tool|>' + message['tools'] + '<|/tool|>' + '<|end|>' }}\
     {% else %}{% generation %}{{ '<|' + message['role'] + '|>' + message['content'] + '<|end|>' }}{% endgeneration %}{% endif %}\
     {% endfor %}{% if add_generation_prompt %}{{ '<|assistant|>' }}{% else %}{{ eos_token }}{% endif %}",
    // Macros that walk over schemas, names of which come from the data.
    "{%- macro render_extra_keys(json_dict, handled_keys) -%}{%- if json_dict is mapping %}\
     {%- for json_key in json_dict if json_key not in handled_keys %}\
     {%- if json_dict[json_key] is mapping or (json_dict[json_key] is sequence and json_dict[json_key] is not string) %}\
     {{- '\\n<' ~ json_key ~ '>' ~ (json_dict[json_key] | tojson | safe) ~ '</' ~ json_key ~ '>' }}\
     {%- else %}{{-'\\n<' ~ json_key ~ '>' ~ (json_dict[json_key] | string) ~ '</' ~ json_key ~ '>' }}{%- endif %}\
     {%- endfor %}{%- endif %}{%- endmacro -%}\
     {%- macro json_to_python_type(json_spec) %}{%- set basic_type_map = {\"string\": \"str\", \"number\": \"float\"} %}\
     {%- if basic_type_map[json_spec.type] is defined %}{{- basic_type_map[json_spec.type] }}\
     {%- elif json_spec.type == \"array\" %}{{- \"list[\" + json_to_python_type(json_spec|items) + \"]\" }}\
     {%- elif json_spec.type is iterable %}{{- \"Union[\" }}{%- for t in json_spec.type %}\
     {{- json_to_python_type({\"type\": t}) }}{%- if not loop.last %},{% endif %}{%- endfor %}{{- \"]\" }}\
     {%- else %}{{- \"Any\" }}{%- endif %}{%- endmacro %}\
     {%- for tool in tools %}{%- if tool.function is defined %}{%- set tool = tool.function %}{%- endif %}\
     {{- tool.name ~ '(' ~ json_to_python_type(tool.parameters) ~ ')' }}\
     {%- for param_name, param_fields in tool.parameters.properties|items %}\
     {%- set handled_keys = ['name', 'type', 'description'] %}{{- render_extra_keys(param_fields, handled_keys) }}{%- endfor %}\
     {%- set handled_keys = ['type', 'properties'] %}{{- render_extra_keys(tool.parameters, handled_keys) }}\
     {%- if tool.return is defined %}{{ tool['return']|tojson(indent=2) }}{%- endif %}{%- endfor %}",
    // Lists that are built, slices, alternatives, raw text and comments.
    "{#- a comment with __class__ -#}{%- set sep = ', ' -%}{%- set roles = {'user': 'Human', 'assistant': 'AI'} -%}\
     {%- set parts = [] -%}{%- for m in messages -%}{%- set _ = parts.append(roles[m.role] ~ ': ' ~ m.get('content', '')) -%}\
     {%- endfor -%}{{ parts | join(sep) }}{% raw %}{{ x.__class__ }}{% endraw %}\
     {{ messages | map(attribute='content') | select('string') | list | length }}\
     {{ documents | groupby('title') | first if documents else none }}{{ loop.cycle('a', 'b') if loop is defined }}\
     {{ '%02d' | format(3) }}{{ '{:>4}'.format(7) }}{% filter upper %}text{% endfilter %}{{ -1 if not x else +2 ** 3 // 2 }}\
     {% set block %}<b>{{ eos_token }}</b>{% endset %}{{ block }}{% with a = 1, b = 2 %}{{ a + b }}{% endwith %}\
     {{ 'def __init__(self): ...' }}{{ context | default('', true) }}{{ {'a': {'b': 1}}['a']['b'] }}\
     {% for key in ['role', 'name'] %}{{ messages[0][key] }}{% endfor %}{{ x is divisibleby 3 and y is in [1, 2] }}",
    // Calls that are cut out of text, names of arguments, and what a model thought.
    "{%- macro content_of(m) -%}{%- if m.content is string -%}{{ m.content }}{%- else -%}{%- for p in m.content or [] -%}\
     {%- if p['type'] in ['image', 'image_url'] -%}<image>{%- else -%}{{ p.get('text', '') }}{%- endif -%}{%- endfor -%}\
     {%- endif -%}{%- endmacro -%}{%- set ns = namespace(last=-1, name=none, text='') -%}{%- for m in messages -%}\
     {%- if m.role == 'user' -%}{%- set ns.last = loop.index0 -%}{%- endif -%}{%- endfor -%}\
     {%- for m in messages[:ns.last + 1] + messages[ns.last + 1:] -%}{%- set role = m.name or m.role -%}{{ role }}\
     {%- set text = content_of(m) -%}{%- for part in text.split('<|c|>') -%}\
     {%- set ns.text = ns.text + part.split('<c|>')[0].replace('/no_think', '').rstrip() -%}{%- endfor -%}\
     {%- for tc in m.tool_calls or [] -%}{%- set _args = tc.function.arguments -%}{%- for k, v in _args.items() -%}\
     <arg_key>{{ k }}</arg_key>{{ v | tojson(ensure_ascii=False) if v is not string else v }}{%- endfor -%}{%- endfor -%}\
     {%- if loop.previtem and loop.previtem.role != m.role -%}{{- ns.text | trim -}}{%- endif -%}{%- endfor -%}\
     {%- for key, value in properties | dictsort -%}{%- if key not in (spec.required or []) -%}{{ value['type'] | upper }}\
     {{ value.enum | join('\" | \"') }}{%- endif -%}{%- endfor -%}{{ strftime_now('%Y-%m-%d') }}\
     {{ tools | map(attribute='name') | join(', ') }}{{ messages | selectattr('role', 'in', ['user']) | list | last }}",
    "chatml",
    "",
];

fn found(template: &str) -> Vec<String> {
    let mut scan = Scan::new(Globals::shipped(), ModelPath::parse("a.jinja").unwrap(), 0);
    inspect(template, 0, &mut scan);
    let found = scan.finish(0, FileFormat::Jinja);
    found.findings.iter().map(|finding| format!("{} {}", finding.rule, finding.message)).collect()
}

fn verdict(template: &str) -> Verdict {
    let mut scan = Scan::new(Globals::shipped(), ModelPath::parse("a.jinja").unwrap(), 0);
    inspect(template, 0, &mut scan);
    scan.finish(0, FileFormat::Jinja).verdict()
}

#[test]
fn templates_of_real_models_are_clean() {
    for template in GOOD {
        assert_eq!(found(template), [""; 0], "{template}");
    }
}

#[test]
fn cve_2024_34359_templates_that_reach_code_are_malicious() {
    for template in [
        "{% for x in ().__class__.__base__.__subclasses__() %}{{ x()._module.__builtins__['__import__']('os').popen('id') }}{% endfor %}",
        "{{ messages['__cla'+'ss__'] }}",
        "{{ messages['\\x5f\\x5fclass\\x5f\\x5f'] }}",
        "{{ messages['\\u005f_class__'] }}",
        "{{ messages['\\137_class__'] }}",
        "{{ messages['\\N{LOW LINE}_class__'] }}",
        "{{ messages['_' '_class__'] }}",
        "{{ messages['_'*2 ~ 'class' ~ '_'*2] }}",
        "{{ messages['%cclass' | format(95)] }}",
        "{{ messages['%c%cclass' % (95, 95)] }}",
        "{{ messages|attr('__class__')|attr('__mro__') }}",
        "{{ messages|attr('_'~'_class__') }}",
        "{{ [messages]|map(attribute='__class__')|list }}",
        "{{ [messages]|map(attribute='role.__class__')|list }}",
        "{{ [messages]|map('attr', '__class__')|list }}",
        "{{ messages|sort(attribute='__class__') }}",
        "{{ messages|groupby('__class__') }}",
        "{{ messages|selectattr('__class__.__base__') }}",
        "{{ messages|sum(attribute='a,__class__') }}",
        "{{ '{0.__class__.__init__.__globals__}'.format(messages) }}",
        "{{ '{0[__class__]}'.format_map(messages) }}",
        "{{ messages.get('__class__') }}",
        "{% set a='__glo' %}{% set b='bals__' %}{{ messages[a~b] }}",
        "{% set a %}__class__{% endset %}{{ messages[a] }}",
        "{% macro m() %}__class__{% endmacro %}{{ messages[m()] }}",
        "{% macro m(k) %}{{ messages[k] }}{% endmacro %}{{ m('__class__') }}",
        "{% for k in ['__class__'] %}{{ messages[k] }}{% endfor %}",
        "{% for k in {'__class__': 1} %}{{ messages[k] }}{% endfor %}",
        "{% for a, b in [('x', '__class__')] %}{{ messages[b] }}{% endfor %}",
        "{% set k = {'a': '__class__'} %}{{ messages[k.a] }}",
        "{% set k = {'a': '__class__'} %}{{ messages[k['a']] }}",
        "{% set ns = namespace(k='__class__') %}{{ messages[ns.k] }}",
        "{% set ns = namespace() %}{% set ns.k = '__class__' %}{{ messages[ns.k] }}",
        "{% set l = [] %}{% set _ = l.append('__class__') %}{{ messages[l[0]] }}",
        "{% for i in range(3) %}{{ messages[c] }}{% set c = b %}{% set b = a %}{% set a = '__class__' %}{% endfor %}",
        "{{ messages['__ssalc__'[::-1]] }}",
        "{{ messages['__ssalc__'|reverse] }}",
        "{{ messages['x_class'[1] ~ 'x_class'[1] ~ 'class'] }}",
        "{{ messages['--class--'|replace('-', '_')] }}",
        "{{ messages[['__cla', 'ss__']|join] }}",
        "{{ messages[['__cla', 'ss__']|join('')] }}",
        "{{ messages[''.join(['__cla', 'ss__'])] }}",
        "{{ messages['__CLASS__'.lower()] }}",
        "{{ messages['__CLASS__'|lower] }}",
        "{{ messages[dict(__class__=1)|first] }}",
        "{{ messages['a' if x else '__class__'] }}",
        "{{ messages[(x if y else 'a') ~ '__class__'] }}",
        "{% if x %}{% set a = 'a' %}{% endif %}{{ messages[a ~ '__class__'] }}",
        "{{ messages[x ~ '_' ~ '_class_' ~ '_'] }}",
        "{{ messages[x.replace('', '__class__')] }}",
        "{{ messages[x|replace('', '__class__')] }}",
        "{{ messages[(['_', '_class'] + ['__'])|join] }}",
        "{{ messages[x.join(['_', '_class__'])] }}",
        "{{ messages[x or '__class__'] }}",
        "{{ messages[x|default('__class__')] }}",
        "{{ lipsum.__globals__['os'].getcwd() }}",
        "{{ self.__init__.__globals__ }}",
        "{{ request.application }}",
        "{{ config.items() }}",
        "{{ cycler.next }}",
        "{{ joiner['x'] }}",
        "{{ getattr(messages, 'x') }}",
        "{{ __import__('os') }}",
        "{{ __builtins__ }}",
        "{{ os.system('id') }}",
        "{{ (messages|select).gi_frame }}",
        "{{ messages|select|attr('gi_frame')|attr('f_globals') }}",
        "{{ messages.mro() }}",
        "{{ x.popen('id') }}",
        "{% include '/etc/passwd' %}",
        "{% import 'x' as y %}",
        "{% from 'x' import y %}",
        "{% extends 'x' %}",
        "{%- if false -%}{{ x.__class__ }}{% endif %}",
        "{{ x is divisibleby y.__class__ }}",
        "{% call(x) m() %}{{ x.__class__ }}{% endcall %}",
        "{% filter attr('__class__') %}x{% endfilter %}",
        "{% set x | attr('__class__') %}x{% endset %}",
        "{{ x.\u{ff3f}\u{ff3f}class\u{ff3f}\u{ff3f} }}",
    ] {
        assert_eq!(verdict(template), Verdict::Malicious, "{template} {:?}", found(template));
    }
}

#[test]
fn what_cannot_be_shown_harmless_is_suspicious() {
    for (template, rule) in [
        ("{{ message._private }}", "JIN004"),
        ("{{ message['_x'] }}", "JIN004"),
        ("{{ messages|attr('content') }}", "JIN005"),
        ("{{ messages[x ~ y] }}", "JIN005"),
        ("{{ messages[(x|string)[3]] }}", "JIN005"),
        ("{{ messages|map(x) }}", "JIN005"),
        ("{{ tokens[role ~ '_start'] }}", "JIN005"),
        ("{{ values[key.replace('-', '_')] }}", "JIN005"),
        ("{{ values['_'.join(parts)] }}", "JIN005"),
        ("{{ messages.text.format(x) }}", "JIN006"),
        ("{{ '{0.role}'.format(x) }}", "JIN006"),
        ("{{ frobnicate(x) }}", "JIN007"),
        ("{{ x.read() }}", "JIN007"),
        ("{{ x|frobnicate }}", "JIN007"),
        ("{{ tools[0]() }}", "JIN007"),
        ("{% frobnicate %}", "JIN007"),
        ("{{ cycler('a', 'b') }}", "JIN007"),
        ("{{ self }}", "JIN007"),
        ("{% set f = x %}{{ f() }}", "JIN007"),
        ("{% for i in range(10**9) %}{% endfor %}", "JIN008"),
        ("{% for i in range(2000) %}{% for j in range(2000) %}{% endfor %}{% endfor %}", "JIN008"),
        ("{{ 'a' * 10000000 }}", "JIN008"),
        ("{{ x", "JIN009"),
        ("{% if x %}", "JIN009"),
        ("{% endif %}", "JIN009"),
        ("{% for x in y %}{% endif %}", "JIN009"),
        ("{{ 'x }}", "JIN009"),
        ("{{ x $ y }}", "JIN009"),
        ("{{ }}", "JIN009"),
        ("{# x", "JIN009"),
        ("{% raw %}x", "JIN009"),
    ] {
        let seen = found(template);
        assert!(seen.iter().any(|finding| finding.starts_with(rule)), "{template} {seen:?}");
        assert_eq!(verdict(template), Verdict::Suspicious, "{template} {seen:?}");
    }
}

#[test]
fn names_that_data_gives_are_suspicious() {
    for template in [
        "{{ ''[bos_token] }}",
        "{{ [''][eos_token] }}",
        "{{ {}[pad_token] }}",
        "{{ raise_exception[messages[0].role] }}",
        "{{ raise_exception[unk_token] }}",
        "{{ messages.append[messages[0].role] }}",
        "{{ messages[0][messages[0].role] }}",
        "{% for k in messages %}{{ k[k.role][k.content] }}{% endfor %}",
        "{% for k in messages %}{{ ''[k] }}{% endfor %}",
        "{% for k in [bos_token] %}{{ messages[k] }}{% endfor %}",
        "{% for k in [messages[0].role] %}{{ messages[k] }}{% endfor %}",
        "{% set k = bos_token %}{{ messages[k] }}",
        "{% set k = {'a': bos_token} %}{{ messages[k.a] }}",
        "{% set ns = namespace(k=bos_token) %}{{ messages[ns.k] }}",
        "{% set l = [] %}{% set _ = l.append(bos_token) %}{{ messages[l[0]] }}",
        "{% macro m(k) %}{{ messages[k] }}{% endmacro %}{{ m(bos_token) }}",
        "{% if false %}{% set bos_token = 'a' %}{% endif %}{{ ''[bos_token] }}",
        "{{ messages[bos_token.strip()] }}",
        "{{ messages[bos_token|trim] }}",
        "{{ messages[bos_token + eos_token] }}",
        "{{ messages[bos_token if x else 1] }}",
        "{{ messages[[bos_token]|first] }}",
        "{{ messages|map(attribute=bos_token)|list }}",
        "{{ messages|map(attribute=messages[0].role)|list }}",
        "{{ messages|map(**{'attribute': bos_token})|list }}",
        "{{ messages|groupby(messages[0].role) }}",
        "{{ messages|sort(attribute=x) }}",
        "{{ messages|sort(false, false, x) }}",
        "{{ messages|unique(attribute=x)|list }}",
        "{{ messages|max(attribute=x) }}",
        "{{ messages|min(false, x) }}",
        "{{ messages|sum(x) }}",
        "{{ messages|selectattr(messages[0].role)|list }}",
        "{{ messages|rejectattr(x)|list }}",
        "{{ messages|join('', x) }}",
        "{{ messages|map('sum', x)|list }}",
        "{% set f=([raise_exception]|map(attribute=bos_token)|first)[eos_token][pad_token] %}{{ [unk_token].sort(key=f) }}",
    ] {
        let seen = found(template);
        assert!(seen.iter().any(|finding| finding.starts_with("JIN005")), "{template} {seen:?}");
    }
    for template in ["{{ messages.sort(key=raise_exception) }}", "{{ messages.sort(**{'key': x}) }}"] {
        assert!(found(template)[0].starts_with("JIN007"), "{template}");
    }
}

#[test]
fn names_that_are_of_what_they_are_asked_are_clean() {
    for template in [
        "{% for k in d %}{{ d[k] }}{% endfor %}",
        "{% for k, v in tool.parameters.properties|items %}{{ tool.parameters.properties[k] }}{% endfor %}",
        "{% for k in tool.parameters.properties.keys()|list|sort %}{{ tool.parameters.properties[k].type }}{% endfor %}",
        "{% for k, v in d|dictsort %}{{ d[k] }}{% endfor %}",
        "{% set roles = {'user': 'a'} %}{{ roles[messages[0].role] }}",
        "{% set ns = namespace(map={'user': 'a'}, i=0) %}{{ ns.map[messages[0].role] }}{{ messages[ns.i] }}",
        "{% for m in messages %}{{ messages[loop.index0 - 1].role }}{{ messages[loop.index0 + 1] }}{% endfor %}",
        "{% set i = messages|length - 1 %}{{ messages[i] }}{{ messages[:i] }}{{ messages[-1]['role'] }}",
        "{% for i in range(messages|length) %}{{ messages[i].content[x:y] }}{% endfor %}",
        "{% set k = 'role' %}{{ messages|map(attribute=k)|list }}{{ messages|sum(attribute='n') }}",
        "{{ messages|join(', ') }}{{ messages|sort(reverse=true) }}{{ tools|tojson(indent=4) }}{{ x|indent(4) }}",
        "{{ m.get(m.role) }}{{ 'abc'[loop.index0] }}{{ x.split('a')[0][1] }}",
    ] {
        assert_eq!(found(template), [""; 0], "{template}");
    }
}

#[test]
fn widths_are_bounded() {
    for template in [
        "{{ 'a'.ljust(9999999999) }}",
        "{{ 'a'.rjust(9999999999) }}",
        "{{ 'a'.center(9999999999) }}",
        "{{ 'a'.zfill(9999999999) }}",
        "{{ 'a'.zfill('9999999999'|int) }}",
        "{{ x|center(9999999999) }}",
        "{{ x|indent(9999999999) }}",
        "{{ x|indent(width=9999999999) }}",
        "{{ '%9999999999d'|format(1) }}",
        "{{ '%9999999999d' % 1 }}",
        "{{ '%*d' % (x, 1) }}",
        "{{ '{:>9999999999}'.format(1) }}",
        "{{ strftime_now('%9999999999d') }}",
        "{{ x|tojson(indent=9999999999) }}",
        "{{ x|batch(9999999999, 'x')|list }}",
        "{{ x|map('center', 9999999999)|list }}",
    ] {
        let seen = found(template);
        assert!(seen.iter().any(|finding| finding.starts_with("JIN008")), "{template} {seen:?}");
    }
}

#[test]
fn an_error_does_not_hide_what_comes_after_it() {
    for template in
        ["{{ $ }}{{ x.__class__ }}", "{{ ( }}{{ x['__class__'] }}", "{% if %}{{ x.__class__ }}{{ 'open"]
    {
        assert_eq!(verdict(template), Verdict::Malicious, "{template} {:?}", found(template));
    }
}

#[test]
fn bounds_are_found() {
    assert_eq!(found(&"x".repeat(limits::JINJA_TEMPLATE + 1)), ["LIM019 262145 bytes"]);
    let deep = format!("{{{{ {}1{} }}}}", "(".repeat(10_000), ")".repeat(10_000));
    assert!(found(&deep)[0].starts_with("JIN009"));
    for open in ["(", "[", "{", "not ", "-", "x[", "x(", "x|f(", "1 + (", "x if ", "x is y(", "{1:"] {
        found(&format!("{{{{ {}", open.repeat(20_000)));
    }
}

#[test]
fn values_that_grow_end() {
    let started = std::time::Instant::now();
    let mut template = String::from("{% set a = 'x' %}{% set b = 'y' %}");
    while template.len() < limits::JINJA_TEMPLATE - 64 {
        template.push_str("{% set a = a ~ b %}{% set b = [a, b]|join %}");
    }
    assert!(found(&template).is_empty());
    let chain: String = (0..100).map(|n| format!("{{% set a{n} = a{} %}}", n + 1)).collect();
    assert!(verdict(&format!("{{{{ x[a0] }}}}{chain}{{% set a100 = '__class__' %}}")) >= Verdict::Suspicious);
    assert!(started.elapsed().as_secs() < 20);
}

#[test]
fn truncation_anywhere_does_no_harm() {
    for template in GOOD {
        for (end, _) in template.char_indices().step_by(3) {
            assert_ne!(verdict(&template[..end]), Verdict::Malicious, "{}", &template[..end]);
        }
    }
}

proptest! {
    #[test]
    fn it_never_panics(template in "(\\{\\{|\\}\\}|\\{%|%\\}|\\{#|[-+*/%~|.,:()\\[\\]{}'\"\\\\ x_0-9é]|if|for|in|set|end|macro|is|not|else|range|attr){0,40}") {
        found(&template);
    }
}
