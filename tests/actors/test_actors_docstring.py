"""The example in the docstring of the package runs as it stands."""

import inspect

import actors


def test_the_example_of_the_package_is_true():
    lines = [
        line for line in inspect.getdoc(actors).splitlines() if not line or line.startswith("    ")
    ]
    example = inspect.cleandoc("\n" + "\n".join(lines))
    assert "assert trio.run(main) == 5" in example
    exec(compile(example, "example", "exec"), {"__name__": "example"})


def test_every_public_name_is_there_and_has_a_docstring():
    public = {name: getattr(actors, name) for name in actors.__all__}
    classes = {name: thing for name, thing in public.items() if inspect.isclass(thing)}
    assert [name for name, thing in classes.items() if not thing.__doc__] == []
    assert [name for name in public if name not in actors.__dict__] == []
