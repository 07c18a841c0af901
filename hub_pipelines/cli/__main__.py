from hub_pipelines.cli import main

main()
