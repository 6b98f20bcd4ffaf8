from cprmodel.cli import main

main()
