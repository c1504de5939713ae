"""Where the Snakemake workflow is installed, for a Snakefile that includes it."""

from pathlib import Path


def workflow_folder() -> Path:
    """Return the folder with the workflow's Snakefile, rules, profiles and configurations.

    It is in the package once that is installed, and the repository where it is installed in place (``pip install -e``).
    """
    package = Path(__file__).parent
    installed = package / "workflow"
    return installed if installed.is_dir() else package.parent


def snakefile() -> str:
    """Return the path of the workflow's Snakefile.

    Examples
    --------
    A Snakefile that uses it beside other rules::

        from lrp_domains.workflow_files import snakefile

        module lrp:
            snakefile: snakefile()
            config: config["lrp"]

        use rule * from lrp as lrp_*
    """
    return str(workflow_folder() / "Snakefile")
